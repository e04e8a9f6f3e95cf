"""The purge call, `userli-bridge cache flush`, and how peers hear of both."""

import signal

import pytest
from support.certificates import make_ca, make_certificate
from support.cluster import ALICE, NEW, Cluster
from support.daemons import program_path
from support.frames import OUTCOMES, VERSION, call_frame, exchange, pack, results, unpack
from support.pool import loopback_address
from support.process import run
from support.sp import FakeBackend
from support.webhooks import body, post

PURGE = 3
INFO = "info@example.org"
EX_USAGE, EX_UNAVAILABLE, EX_TEMPFAIL, EX_CONFIG = 64, 69, 75, 78
NAME = "backend.test"


@pytest.fixture
def cluster(keeper, directory_file, short_dir):
    """cluster(count=3, SETTING=value…) starts backends that are peers."""

    def start(**settings):
        return Cluster(keeper, directory_file, short_dir, **settings)

    return start


def purge_call(call_id, **arguments):
    """arguments: map, key, relay."""
    numbers = {"map": 1, "key": 2, "relay": 3}
    return {1: call_id, 2: PURGE, 3: 1000,
            4: {numbers[name]: value for name, value in arguments.items()}}


def purge(url, **arguments):
    return results(exchange(url, call_frame(purge_call(1, **arguments))))[1]


def warm(made):
    """Six answers in each backend."""
    for key in (ALICE, INFO):
        made.ask_all("alias", key)
        made.ask_all("mailbox", key)
    made.ask_all("senders", ALICE)
    made.sandbox.clear_stats()  # the domain came with the first


# --- The call ----------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, count",
    [
        ({}, 6),
        ({"map": "alias"}, 2),
        ({"map": "domain"}, 1),
        ({"map": "alias", "key": ALICE.encode()}, 1),
        ({"map": "alias", "key": b" ALICE@Example.org "}, 1),
        ({"map": "alias", "key": b"nobody@example.org"}, 0),
        ({"map": "alias", "key": b"no address"}, 0),
        ({"map": "domain", "key": b"example.org"}, 1),
        ({"key": ALICE.encode()}, 3),
    ],
)
def test_a_purge_forgets_what_it_names_and_no_more(cluster, arguments, count):
    made = cluster(count=1)
    warm(made)
    assert purge(made.urls[0], **arguments) == ("OK", str(count))
    assert purge(made.urls[0], **arguments) == ("OK", "0")
    warm(made)
    assert made.metric(0, "purges_total", origin="relayed") == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"map": ""},
        {"key": b""},
        {"map": 5},
        {"map": "alias", "key": None},
        {"relay": "1"},
        {"map": "x" * 65},
        {"key": b"x" * 10001},
    ],
)
def test_a_purge_that_is_wrong_forgets_nothing(cluster, arguments):
    made = cluster(count=1)
    warm(made)
    assert purge(made.urls[0], **arguments)[0] == "PERM"
    assert purge(made.urls[0]) == ("OK", "6")


def test_a_map_that_is_unknown_here_is_refused(cluster):
    made = cluster(count=1)
    warm(made)
    assert purge(made.urls[0], map="quota") == ("PERM", "Unknown map name")
    assert purge(made.urls[0]) == ("OK", "6")


def test_without_relay_nobody_else_is_told(cluster):
    made = cluster()
    warm(made)
    assert purge(made.urls[0]) == ("OK", "6")
    assert purge(made.urls[0], relay=0) == ("OK", "0")
    assert made.metric(0, "peer_purges_waiting") == 0
    assert [purge(url) for url in made.urls[1:]] == [("OK", "6")] * 2
    for number in range(3):
        assert made.metric(number, "peer_purges_total", result="told") == 0


def test_with_relay_everybody_is_told_once(cluster):
    made = cluster()
    warm(made)
    assert purge(made.urls[1], relay=1) == ("OK", "6")
    made.wait_metric(1, "peer_purges_total", 3, result="told")
    # Were it relayed again, these would tell each other for ever.
    for number in range(3):
        assert made.metric(number, "purges_total", origin="relayed") == 1
        assert made.metric(number, "purges_total", origin="call") == (number == 1)
        assert made.metric(number, "peers") == 3
    assert [purge(url) for url in made.urls] == [("OK", "0")] * 3


def test_one_frame_may_carry_many(cluster):
    made = cluster(count=1)
    warm(made)
    calls = [purge_call(n, map="alias", key=INFO.encode()) for n in range(100)]
    found = results(exchange(made.urls[0], call_frame(*calls)))
    assert sorted(found.values()) == [("OK", "0")] * 99 + [("OK", "1")]


def test_a_backend_that_drains_still_forgets(cluster, frontend):
    made = cluster(count=2, BACKEND_RESOLVE_INTERVAL="1s")
    warm(made)
    made.sandbox.set_faults({"match": "*/mailbox/slow@example.org", "delay_ms": 3000})
    waiting = frontend([made.urls[0]])
    waiting.wait_ready()
    with waiting.client() as client:
        client.send("mailbox", "slow@example.org")
        made.wait_metric(0, "backend_calls_in_progress", 1)
        made.backends[0].signal(signal.SIGTERM)
        made.backends[0].wait_not_ready()
        assert purge(made.urls[0], relay=1) == ("OK", "6")
        made.wait_metric(1, "purges_total", 1, origin="relayed")
        assert client.receive().status == "NOTFOUND"


# --- The tool ----------------------------------------------------------------


def test_the_tool_flushes_and_says_by_whom(cluster):
    made = cluster()
    warm(made)
    status, out, err = made.flush(0)
    name = f":{made.backends[0].pid}"
    assert (status, err) == (0, "")
    assert out.startswith("6 entries flushed by ") and name in out
    assert "BACKEND_PEERS" in out
    made.wait_metric(0, "peer_purges_total", 3, result="told")
    assert [purge(url) for url in made.urls] == [("OK", "0")] * 3


@pytest.mark.parametrize(
    "operands, said",
    [
        (["alias"], "2 entries"),
        (["alias", ALICE], "1 entry"),
        (["all", ALICE], "3 entries"),
        (["all"], "6 entries"),
        (["senders", INFO], "0 entries"),
    ],
)
def test_the_tool_flushes_a_map_or_a_key(cluster, operands, said):
    made = cluster(count=1)
    warm(made)
    status, out, err = made.flush(0, *operands)
    assert (status, err) == (0, "")
    assert out.startswith(said + " flushed by ")


@pytest.mark.parametrize(
    "operands, wants",
    [
        ([], ["flush"]),
        (["clear"], ['"clear"', "flush"]),
        (["flush", "aliases"], ['"aliases"', "alias, domain, mailbox, senders"]),
        (["flush", ""], ["alias, domain, mailbox, senders"]),
        (["flush", "alias", ""], ["empty"]),
        (["flush", "alias", "x" * 10001], ["too long"]),
        (["flush", "alias", "a@b", "c@d"], ["one key"]),
        (["flush", "--addr", "http://x"], ["--addr"]),
    ],
)
def test_a_command_line_that_is_wrong_says_how(operands, wants):
    status, out, err = run([program_path("userli-bridge"), "cache", *operands])
    assert (status, out) == (EX_USAGE, "")
    assert len(err.splitlines()) == 1
    for want in [*wants, "cache --help"]:
        assert want in err


def test_the_tool_explains_itself():
    status, out, _ = run([program_path("userli-bridge"), "cache", "--help"])
    assert status == 0
    for word in ("flush", "BACKEND_PEERS", "--addr", "Exit status"):
        assert word in out
    assert "  cache " in run([program_path("userli-bridge"), "--help"])[1]


def test_nobody_there_is_69(short_dir):
    status, out, err = run([program_path("userli-bridge"), "cache", "flush",
                            "--addr", f"ipc://{short_dir}/nobody"])
    assert (status, out) == (EX_UNAVAILABLE, "")
    assert "BACKEND_LISTEN_URL" in err


@pytest.mark.parametrize(
    "outcome, data, status, word",
    [
        ("UNIMPLEMENTED", "", EX_UNAVAILABLE, "older version"),
        ("PERM", "Unknown map name", EX_UNAVAILABLE, "Unknown map name"),
        ("BUSY", "", EX_TEMPFAIL, "BUSY"),
    ],
)
def test_a_backend_that_does_not_do_it_is_named(outcome, data, status, word):
    def answer(frame):
        (call,) = unpack(frame)[1]
        assert call[2] == PURGE and call[4] == {3: 1}
        result = {1: call[1], 2: OUTCOMES.index(outcome), 3: data.encode()}
        return [pack({0: VERSION, 2: [result], 3: "old"})]

    backend = FakeBackend("127.0.0.1", answer)
    try:
        got, out, err = run([program_path("userli-bridge"), "cache", "flush",
                             "--addr", backend.url])
    finally:
        backend.close()
    assert backend.errors == []
    assert (got, out) == (status, "")
    assert "old" in err and word in err


# --- Peers -------------------------------------------------------------------


def test_an_older_peer_does_not_keep_the_others_from_it(cluster, short_dir):
    def answer(frame):
        calls = unpack(frame)[1]
        unimplemented = [{1: c[1], 2: OUTCOMES.index("UNIMPLEMENTED")} for c in calls]
        return [pack({0: VERSION, 2: unimplemented, 3: "old"})]

    old = FakeBackend("127.0.0.1", answer)
    try:
        peers = [*(f"ipc://{short_dir}/{n}" for n in range(2)), old.url]
        made = cluster(count=2, BACKEND_PEERS=",".join(peers))
        warm(made)
        assert purge(made.urls[0], relay=1) == ("OK", "6")
        made.wait_metric(0, "peer_purges_total", 2, result="told")
        made.wait_metric(0, "peer_purges_total", 1, result="refused")
        assert purge(made.urls[1]) == ("OK", "0")
        assert old.requests == 1
    finally:
        old.close()


def test_peers_are_told_over_tls(keeper, directory_file, short_dir, tmp_path):
    ca = make_ca(tmp_path)
    own = make_certificate(tmp_path, ca, [f"DNS:{NAME}"], usage="serverAuth,clientAuth")
    address = loopback_address()
    made = Cluster(
        keeper, directory_file, short_dir, RPC_TLS_CERT=own.cert, RPC_TLS_KEY=own.key,
        RPC_TLS_CA=ca.cert, RPC_TLS_SERVER_NAME=NAME, count=2,
        peers=[f"tls+tcp://{address}:{port}" for port in (10010, 10011)],
    )
    made.ask_all("mailbox", NEW)
    made.add_users(NEW)
    post(made.backends[0], body(NEW))
    made.wait_metric(0, "peer_purges_total", 2, result="told")
    assert made.ask_all("mailbox", NEW) == [("OK", "1")] * 2


def test_the_tool_speaks_tls(keeper, directory_file, short_dir, tmp_path):
    ca, other = make_ca(tmp_path), make_ca(tmp_path, "other")
    both = "serverAuth,clientAuth"
    own = make_certificate(tmp_path, ca, [f"DNS:{NAME}"], usage=both)
    client = make_certificate(tmp_path, ca, ["DNS:admin.test"], "client", "clientAuth")
    stranger = make_certificate(tmp_path, other, ["DNS:admin.test"], "stranger", None)
    url = f"tls+tcp://{loopback_address()}:10010"
    made = Cluster(
        keeper, directory_file, short_dir, RPC_TLS_CERT=own.cert, RPC_TLS_KEY=own.key,
        RPC_TLS_CA=ca.cert, RPC_TLS_SERVER_NAME=NAME, count=1, peers=[url],
    )
    warm(made)

    def flush(*options, shown=client, name=NAME, **env):
        env = {"RPC_TLS_CERT": shown.cert, "RPC_TLS_KEY": shown.key,
               "RPC_TLS_CA": ca.cert, "RPC_TLS_SERVER_NAME": name, **env}
        argv = [program_path("userli-bridge"), "cache", "flush", "--addr", url]
        return run([*argv, *options], env={n: str(v) for n, v in env.items()})

    status, out, err = flush("--timeout", "1s", shown=stranger)
    assert (status, out) == (EX_UNAVAILABLE, "") and "certificate" in err
    status, out, err = flush("--timeout", "1s", name="other.test")
    assert (status, out) == (EX_UNAVAILABLE, "") and "certificate" in err
    status, out, err = flush(RPC_TLS_KEY="", RPC_TLS_CERT="", RPC_TLS_CA="")
    assert (status, out) == (EX_USAGE, "") and "set RPC_TLS_CERT" in err
    status, out, err = flush(RPC_TLS_KEY=tmp_path / "none")
    assert (status, out) == (EX_USAGE, "") and "RPC_TLS_KEY: " in err
    status, out, err = flush()
    assert (status, err) == (0, "") and out.startswith("6 entries flushed by ")


def test_a_peer_of_another_ca_is_not_told(keeper, directory_file, short_dir, tmp_path):
    ca, other = make_ca(tmp_path), make_ca(tmp_path, "other")
    own = make_certificate(tmp_path, ca, [f"DNS:{NAME}"], usage="serverAuth,clientAuth")
    made = Cluster(
        keeper, directory_file, short_dir, RPC_TLS_CERT=own.cert, RPC_TLS_KEY=own.key,
        RPC_TLS_CA=other.cert, RPC_TLS_SERVER_NAME=NAME, count=2,
        peers=[f"tls+tcp://{loopback_address()}:{port}" for port in (10010, 10011)],
    )
    assert made.backends[0].find_events(
        "BACKEND_PEERS may refuse our certificate: it has expired, is not of "
        "RPC_TLS_CA or has an extended key usage without clientAuth")
    made.ask_all("mailbox", ALICE)
    assert purge(made.urls[0], relay=1) == ("OK", "2")
    # It is at it, and everything else goes on.
    made.wait_metric(0, "peer_purges_waiting", 2)
    assert made.metric(1, "purges_total", origin="relayed") == 0
    assert made.ask(0, "mailbox", ALICE) == ("OK", "1")


def test_peers_over_tls_need_certificates():
    status, _, err = run(
        [program_path("userli-bridge-backend"), "--check-config"],
        env={"USERLI_TOKEN": "x", "BACKEND_PEERS": "tls+tcp://backend2.test:10010"},
    )
    assert status == EX_CONFIG
    for word in ("BACKEND_PEERS", "tls+tcp://backend2.test:10010", "RPC_TLS_CERT"):
        assert word in err
