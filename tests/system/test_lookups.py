"""Each map found and not found; keys answered by rule; keys that attack."""

from urllib.parse import unquote_to_bytes

import pytest

KEY_MAX = 10_000  # bytes of the longest key that Postfix sends

FOUND = [
    ("alias", "info@example.org", "alice@example.org,bob@example.org"),
    ("alias", "one@example.org", "alice@example.org"),
    ("domain", "example.org", "1"),
    ("domain", "xn--mnchen-3ya.example", "1"),
    ("mailbox", "alice@example.org", "1"),
    ("mailbox", "bob@second.example", "1"),
    ("senders", "alice@example.org", "alice@example.org"),
    ("senders", "info@example.org", "alice@example.org,bob@example.org"),
    # Of every managed domain, from userli's settings.
    ("alias", "postmaster@example.org", "admin@example.org"),
    ("alias", "abuse@second.example", "admin@example.org"),
]

ABSENT = [
    ("alias", "nobody@example.org"),
    ("alias", "info@elsewhere.example"),
    ("alias", "postmaster@elsewhere.example"),
    ("domain", "elsewhere.example"),
    ("mailbox", "nobody@example.org"),
    ("mailbox", "info@example.org"),
    ("mailbox", "alice@elsewhere.example"),
    ("senders", "nobody@example.org"),
]

# What userli is asked for is not always what came: as the replaced adapter.
NORMALISED = [
    ("alias", "INFO@Example.ORG", "info@example.org"),
    ("mailbox", "Alice@EXAMPLE.org", "alice@example.org"),
    ("domain", "EXAMPLE.org", "example.org"),
    ("mailbox", " \talice@example.org \r\n", "alice@example.org"),
    ("mailbox", "\u200balice@example.org\ufeff", "alice@example.org"),
    ("domain", "\u200cexample.org\u200d", "example.org"),
]

# Keys that userli cannot hold, whatever its data.
BY_RULE = [
    (name, key)
    for name in ("alias", "mailbox", "senders")
    for key in (
        "",
        '""',
        "*",
        ".",
        "..",
        "example.org",
        "[127.0.0.1]",
        "alice",
        "@example.org",
        "alice@",
        "alice@bob@example.org",
        "a/b@x",
        "alice smith@example.org",
        '"alice smith"@example.org',
        '"alice"@example.org',
        "alice+news@example.org",
        "a%2fb@example.org",
        "alice?x@example.org",
        "alice#x@example.org",
        "al\0ice@example.org",
        "al\nice@example.org",
        "jürgen@example.org",
        "a" * (KEY_MAX - len("@example.org")) + "@example.org",
    )
] + [("domain", key) for key in ("", ".", "..", '""', "*")]

# Keys that would ask for another path if they went out as they came.  Whether
# a domain map asks at all is the key rules' business; if it does, then so.
HOSTILE = [
    ("domain", "../alias/info@example.org"),
    ("domain", "a/b"),
    ("domain", "example.org/"),
    ("domain", "/example.org"),
    ("domain", "example.org?x=1"),
    ("domain", "example.org#x"),
    ("domain", "%2e%2e"),
    ("domain", "%2f"),
    ("domain", "exa\0mple.org"),
    ("domain", "exa\nmple.org"),
    ("domain", "exa\r\nX-Evil: 1\r\n\r\nmple.org"),
    ("domain", "exa mple.org"),
    ("domain", "münchen.example"),
    ("domain", b"\xff\xfe.example"),
    ("domain", b"\xc3.example"),
    ("domain", "x" * 10000),
    ("domain", "[127.0.0.1]"),
    ("domain", "alice@example.org"),
    ("alias", "alice@exa/mple.org"),
    ("alias", "alice@.."),
    ("alias", "alice@../../domain/example.org"),
    ("alias", "..@example.org"),
    (".", "alice@example.org"),
    ("mailbox", "alice@example.org?x=1"),
    ("mailbox", "alice@example.org#x"),
    ("mailbox", "alice@example.org%2f.."),
    ("mailbox", "alice@exa\0mple.org"),
    ("mailbox", "alice@exa\nmple.org"),
    ("mailbox", "alice@münchen.example"),
    ("mailbox", b"alice@\xff.example"),
    ("senders", "alice@" + "x" * 10000),
    ("senders", "alice@example.org\r\nAuthorization: none"),
]


@pytest.mark.parametrize("name, key, value", FOUND)
def test_what_userli_holds_is_found(shared, name, key, value):
    assert str(shared.lookup(name, key)) == f"OK {value}"


@pytest.mark.parametrize("name, key", ABSENT)
def test_what_userli_does_not_hold_is_not_found(shared, name, key):
    with shared.client() as client:
        client.send(name, key)
        assert client.receive_raw() == b"NOTFOUND "
    assert sum(shared.sandbox.targets().values()) == 1


@pytest.mark.parametrize("name, key, asked", NORMALISED)
def test_keys_are_normalised_before_userli_is_asked(shared, name, key, asked):
    assert shared.lookup(name, key).status == "OK"
    assert decoded_keys(shared, name) == [asked.encode()]


@pytest.mark.parametrize("name, key", BY_RULE)
def test_keys_that_cannot_exist_are_not_found_without_a_request(shared, name, key):
    with shared.client() as client:
        client.send(name, key)
        assert client.receive_raw() == b"NOTFOUND "
    assert shared.sandbox.targets() == {}


@pytest.mark.parametrize("name, key", HOSTILE)
def test_hostile_keys_arrive_escaped_or_not_at_all(shared, name, key):
    reply = shared.lookup(name, key)
    assert reply.status in ("NOTFOUND", "TEMP", "PERM"), reply
    raw = key if isinstance(key, bytes) else key.encode()
    for asked in decoded_keys(shared, name):
        assert asked == raw.strip().lower() and asked not in (b".", b"..")
    # And the connection, the frontend and the backend are still well.
    assert shared.lookup("mailbox", "alice@example.org").status == "OK"


def test_no_hostile_byte_in_a_key_is_taken_for_another_key(shared):
    """Every byte in the middle of a domain: escaped, dropped or refused."""
    with shared.client() as client:
        for byte in range(256):
            key = b"exa" + bytes([byte]) + b"mple.org"
            client.send("domain", key)
        replies = [client.receive() for _ in range(256)]
    assert {reply.status for reply in replies} == {"NOTFOUND"}
    for asked in decoded_keys(shared, "domain"):
        assert len(asked) == len(b"exa?mple.org"), asked


def test_a_recipient_delimiter_cuts_the_extension(make_stack):
    stack = make_stack(backend={"POSTFIX_RECIPIENT_DELIMITER": "+"})
    assert str(stack.lookup("mailbox", "alice+news@example.org")) == "OK 1"
    assert stack.lookup("mailbox", "+news@example.org").status == "NOTFOUND"
    assert decoded_keys(stack, "mailbox") == [b"alice@example.org"]
    assert str(stack.lookup("alias", "one+a+b@example.org")) == "OK alice@example.org"


def test_an_unknown_map_is_a_configuration_error(shared):
    with shared.client() as client:
        for name in ("nosuchmap", "Alias", "aliases", "smtp_quota", "auth", "."):
            client.send(name, "alice@example.org")
            assert client.receive_raw() == b"PERM Unknown map name"
    assert shared.sandbox.targets() == {}


def test_a_request_without_a_space_is_a_configuration_error(shared):
    with shared.client() as client:
        for payload in (b"", b"alias", b"alice@example.org"):
            client.send_raw(b"%d:%s," % (len(payload), payload))
            assert client.receive_raw() == b"PERM Invalid request format"
        # The connection goes on.
        assert client.lookup("domain", "example.org").status == "OK"


def test_a_key_longer_than_postfix_sends_is_not_asked_for(shared):
    with shared.client() as client:
        client.send("mailbox", "a" * KEY_MAX + "@example.org")
        assert client.receive().status in ("NOTFOUND", "PERM")
        assert client.lookup("domain", "example.org").status == "OK"
    assert decoded_keys(shared, "domain") == [b"example.org"]


def test_a_sixty_four_kilobyte_map_name_is_unknown_too(shared):
    with shared.client() as client:
        client.send("m" * 65536, "alice@example.org")
        assert client.receive_raw() == b"PERM Unknown map name"


def decoded_keys(stack, name):
    """The keys userli was asked for in this map, each one path segment."""
    keys = []
    for target in stack.sandbox.targets():
        head, slash, segment = target.partition(f"/api/postfix/{name}/")
        assert slash and not head, f"not this map's path: {target!r}"
        assert segment and not set(segment) & set("/?#"), target
        assert segment.isascii() and segment.isprintable(), target
        assert " " not in segment, target
        keys.append(unquote_to_bytes(segment))
    return keys
