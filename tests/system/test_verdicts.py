"""What the bridge makes of userli's answers: a failure is never NOTFOUND.

Each row of the design's verdict table is a fault of the sandbox userli and the
beginning of the reply that must come back over the socket.
"""

import pytest
from support.daemons import fault
from support.wait import wait_until

HTML = "<html><body><h1>Bad Gateway</h1></body></html>"
ALIAS = ("alias", "info@example.org")
DOMAIN = ("domain", "example.org")
MAILBOX = ("mailbox", "alice@example.org")
SENDERS = ("senders", "info@example.org")
MAPS = (ALIAS, DOMAIN, MAILBOX, SENDERS)


def body(text, **more):
    return {"status": 200, "body": text, "content_type": "application/json", **more}


def raw(text):
    return {"raw": text}


# name, what userli does, the reply's beginning; for each of the four maps.
FAILURES = [
    ("400", {"status": 400, "body": "{}"}, "TEMP "),
    ("404", {"status": 404, "body": '{"error":"not found"}'}, "TEMP "),
    ("404_with_an_empty_list", {"status": 404, "body": "[]"}, "TEMP "),
    ("404_with_false", {"status": 404, "body": "false"}, "TEMP "),
    ("405", {"status": 405}, "TEMP "),
    ("410", {"status": 410}, "TEMP "),
    ("422", {"status": 422}, "TEMP "),
    ("301", {"status": 301, "headers": {"Location": "/"}}, "TEMP "),
    ("302_to_login", {"status": 302, "headers": {"Location": "/login"}}, "TEMP "),
    ("307", {"status": 307, "headers": {"Location": "/"}}, "TEMP "),
    ("304", {"status": 304}, "TEMP "),
    ("201_with_false", {"status": 201, "body": "false"}, "TEMP "),
    ("204", {"status": 204}, "TEMP "),
    ("500", {"status": 500, "body": '{"error":"boom"}'}, "TEMP "),
    ("500_with_an_empty_list", {"status": 500, "body": "[]"}, "TEMP "),
    ("502_html", {"status": 502, "body": HTML, "content_type": "text/html"}, "TEMP "),
    ("504_html", {"status": 504, "body": HTML, "content_type": "text/html"}, "TEMP "),
    ("closed_before_the_answer", {"close": "before"}, "TEMP "),
    ("closed_within_the_headers", {"close": "headers"}, "TEMP "),
    ("closed_within_the_body", {"close": "body"}, "TEMP "),
    ("closed_within_blanks", body("false" + " " * 100, close="body"), "TEMP "),
    ("reset", {"reset": True}, "TEMP "),
    ("truncated", {"truncate": 3}, "TEMP "),
    ("not_http", raw("220 mail.example ESMTP\r\n"), "TEMP "),
    ("headers_without_end", raw("HTTP/1.1 200 OK\r\nX: "), "TEMP "),
    ("html_with_200", body(HTML), "TEMP "),
    ("empty_body", body(""), "TEMP "),
    ("white_space", body("  \n"), "TEMP "),
    ("truncated_list", body('["alice@example.org"'), "TEMP "),
    ("truncated_word", body("fals"), "TEMP "),
    ("garbage_after_list", body("[] x"), "TEMP "),
    ("garbage_after_false", body("false]"), "TEMP "),
    ("two_values", body("false false"), "TEMP "),
    ("null", body("null"), "TEMP "),
    ("number", body("0"), "TEMP "),
    ("string", body('"false"'), "TEMP "),
    ("error_object", body('{"error":"maintenance"}'), "TEMP "),
    ("deep_nesting", body("[" * 100000), "TEMP "),
    ("balanced_deep_nesting", body("[" * 500 + "]" * 500), "TEMP "),
    ("endless_body", {"endless": True}, "TEMP "),
]

WRONG_FOR_LISTS = [
    ("false", "false"),
    ("true", "true"),
    ("list_of_numbers", "[1]"),
    ("list_of_null", "[null]"),
    ("nested_list", '[["alice@example.org"]]'),
    ("empty_element", '["alice@example.org",""]'),
    ("no_at", '["alice"]'),
    ("comma", '["alice@example.org,evil@example.com"]'),
    ("newline", '["alice@example.org\\nevil"]'),
    ("control_character", '["ali\\u0001ce@example.org"]'),
    ("nul", '["alice@example.org\\u0000"]'),
    ("delete_character", '["ali\\u007fce@example.org"]'),
    ("lone_surrogate", '["\\ud800@example.org"]'),
    ("one_bad_of_many", '["alice@example.org","bob","carol@example.org"]'),
]

WRONG_FOR_BOOLEANS = [
    ("empty_list", "[]"),
    ("empty_object", "{}"),
    ("list", '["alice@example.org"]'),
    ("list_of_true", "[true]"),
    ("one", "1"),
]


@pytest.mark.parametrize("name, key", MAPS, ids=lambda v: v.partition("@")[0])
@pytest.mark.parametrize(
    "what, beginning", [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
def test_a_failure_is_temporary(shared, what, beginning, name, key):
    shared.sandbox.set_faults(fault(name, key, **what))
    reply = shared.lookup(name, key)
    assert reply.status != "NOTFOUND", f"mail would bounce: {what}"
    assert str(reply).startswith(beginning) and reply.data, reply
    shared.sandbox.clear_faults()
    assert shared.lookup(name, key).status == "OK"


@pytest.mark.parametrize("name, key", (ALIAS, SENDERS), ids=("alias", "senders"))
@pytest.mark.parametrize(
    "text", [row[1] for row in WRONG_FOR_LISTS], ids=[row[0] for row in WRONG_FOR_LISTS]
)
def test_a_list_with_a_bad_element_is_temporary(shared, text, name, key):
    shared.sandbox.set_faults(fault(name, key, **body(text)))
    reply = shared.lookup(name, key)
    assert reply.status == "TEMP" and reply.data, reply


@pytest.mark.parametrize("name, key", (DOMAIN, MAILBOX), ids=("domain", "mailbox"))
@pytest.mark.parametrize(
    "text",
    [row[1] for row in WRONG_FOR_BOOLEANS],
    ids=[row[0] for row in WRONG_FOR_BOOLEANS],
)
def test_anything_but_a_boolean_is_temporary(shared, text, name, key):
    shared.sandbox.set_faults(fault(name, key, **body(text)))
    reply = shared.lookup(name, key)
    assert reply.status == "TEMP" and reply.data, reply


@pytest.mark.parametrize(
    "name, key, text, reply",
    [
        (*ALIAS, '["alice@example.org"]', "OK alice@example.org"),
        (*ALIAS, " [ ] \n", "NOTFOUND "),
        (*SENDERS, "[]", "NOTFOUND "),
        (*SENDERS, "{}", "NOTFOUND "),
        (*SENDERS, '{"0":"a@x.example","2":"b@x.example"}', None),
        (*DOMAIN, "true\n", "OK 1"),
        (*DOMAIN, "false", "NOTFOUND "),
        (*MAILBOX, "true", "OK 1"),
        (*MAILBOX, " false ", "NOTFOUND "),
        # Symfony's escapes.
        (*ALIAS, '["o\\u0027neil\\/x@example.org"]', "OK o'neil/x@example.org"),
        (*ALIAS, '["j\\u00fcrgen@example.org"]', "OK jürgen@example.org"),
        (*ALIAS, '["\\ud83d\\ude00@example.org"]', "OK \U0001f600@example.org"),
    ],
)
def test_a_valid_answer_is_passed_on(shared, name, key, text, reply):
    shared.sandbox.set_faults(fault(name, key, **body(text)))
    assert str(shared.lookup(name, key)) == (reply or "OK a@x.example,b@x.example")


@pytest.mark.parametrize("name, key", MAPS, ids=lambda v: v.partition("@")[0])
@pytest.mark.parametrize("status", (401, 403))
def test_a_refused_token_is_named_as_such(make_stack, status, name, key):
    stack = make_stack()
    stack.sandbox.set_faults(fault(name, key, status=status, body='{"error":"x"}'))
    reply = stack.lookup(name, key)
    assert str(reply).startswith("TEMP userli rejected the API token"), reply


@pytest.mark.parametrize("status", (429, 503))
def test_userli_is_left_alone_for_as_long_as_it_asks(make_stack, status):
    stack = make_stack()
    stack.sandbox.set_faults(
        fault(*MAILBOX, status=status, times=1, headers={"Retry-After": "2"})
    )
    assert stack.lookup(*MAILBOX).status == "TEMP"
    stack.sandbox.clear_stats()
    reply = stack.lookup("mailbox", "bob@second.example")
    assert reply.status == "TEMP" and reply.data, reply
    assert stack.sandbox.targets() == {}
    wait_for_ok(stack, *MAILBOX)


@pytest.mark.parametrize("status", (429, 503))
def test_too_busy_without_a_time_is_temporary(make_stack, status):
    stack = make_stack()
    stack.sandbox.set_faults(fault(*MAILBOX, status=status, times=1, body=HTML))
    assert stack.lookup(*MAILBOX).status == "TEMP"
    wait_for_ok(stack, *MAILBOX)


@pytest.mark.parametrize(
    "what",
    (
        {"hang": True},
        {"delay_ms": 30000},
        {"drip_ms": 500, "body": "[" + " " * 1000 + "]", "status": 200},
    ),
    ids=("hang", "delay", "drip"),
)
@pytest.mark.parametrize("name, key", MAPS, ids=lambda v: v.partition("@")[0])
def test_userli_too_slow_is_a_timeout(make_stack, what, name, key):
    stack = make_stack(backend={"USERLI_TIMEOUT": "1s"})
    stack.sandbox.set_faults(fault(name, key, **what))
    reply = stack.lookup(name, key)
    assert reply.status == "TIMEOUT" and reply.data, reply


def test_userli_down_is_temporary_and_back_is_found(make_stack):
    stack = make_stack()
    stack.sandbox.kill()
    for name, key in MAPS:
        reply = stack.lookup(name, key)
        assert reply.status == "TEMP" and reply.data, reply


def wait_for_ok(stack, name, key):
    wait_until(lambda: stack.lookup(name, key).status == "OK", what="an OK again")
