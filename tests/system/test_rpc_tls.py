"""TLS between the tiers: who is let in, who is asked, and new certificates."""

import contextlib
import signal
import ssl
import threading
import time
from typing import NamedTuple

import pytest
from support.certificates import Certificate, make_ca, make_certificate
from support.daemons import fault, program_path
from support.process import run
from support.sp_stream import Peer, Refused, connect, tls_context
from support.wait import wait_until

EX_CONFIG = 78
NAME = "backend.test"
FOUND = ("mailbox", "alice@example.org")


class Made(NamedTuple):
    ca: Certificate
    other_ca: Certificate
    server: Certificate
    client: Certificate
    other_server: Certificate  # of the other CA
    other_client: Certificate
    old_server: Certificate  # expired
    old_client: Certificate
    misnamed: Certificate
    by_ip: Certificate
    local: Certificate  # for localhost


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    ca = make_ca(folder)
    other = make_ca(folder, "other-ca")
    both = "serverAuth,clientAuth"
    named = [f"DNS:{NAME}"]
    return Made(
        ca,
        other,
        make_certificate(folder, ca, named, "server", both),
        make_certificate(folder, ca, ["DNS:mail1.test"], "client", "clientAuth"),
        make_certificate(folder, other, named, "other-server", both),
        make_certificate(folder, other, ["DNS:mail1.test"], "other-client", None),
        make_certificate(folder, ca, named, "old-server", None, "-1"),
        make_certificate(folder, ca, ["DNS:mail1.test"], "old-client", None, "-1"),
        make_certificate(folder, ca, ["DNS:other.test"], "misnamed", None),
        make_certificate(folder, ca, ["IP:127.0.0.1"], "by-ip", None),
        make_certificate(folder, ca, ["DNS:localhost"], "local", both),
    )


def shows(own, ca, **more):
    return {
        "RPC_TLS_CERT": own.cert,
        "RPC_TLS_KEY": own.key,
        "RPC_TLS_CA": ca.cert,
        **more,
    }


def listens(own, ca, **more):
    return {"BACKEND_LISTEN_URL": "tls+tcp://127.0.0.1:0", **shows(own, ca), **more}


@pytest.fixture
def tls_stack(make_stack, made):
    return make_stack(
        backend=listens(made.server, made.ca),
        frontend=shows(made.client, made.ca, RPC_TLS_SERVER_NAME=NAME),
    )


def test_lookups_are_answered_over_tls(tls_stack):
    assert tls_stack.backend.urls[0].startswith("tls+tcp://")
    assert str(tls_stack.lookup(*FOUND)) == "OK 1"
    assert tls_stack.lookup("alias", "nobody@example.org").status == "NOTFOUND"
    name = "userli_postfix_adapter_rpc_tls_certificate_expires_seconds"
    for daemon in (tls_stack.backend, tls_stack.frontend):
        assert time.time() < daemon.metrics().value(name) < time.time() + 3 * 86400


def test_the_name_expected_is_the_url_s_though_an_address_is_dialled(
    sandbox, backend, frontend, made
):
    daemon = backend(sandbox().url, **listens(made.local, made.ca)).wait_ready()
    url = daemon.urls[0].replace("127.0.0.1", "localhost")
    front = frontend([url], **shows(made.client, made.ca)).wait_ready()
    assert str(front.lookup(*FOUND)) == "OK 1"


# --- Who is refused -----------------------------------------------------------


@pytest.mark.parametrize("client", [None, "other_client", "old_client", "server-only"])
def test_a_peer_without_a_good_certificate_is_refused(tls_stack, made, client):
    url = tls_stack.backend.urls[0]
    own = getattr(made, client) if client and "-" not in client else None
    ca = made.ca
    if client == "server-only":
        own = make_certificate(made.ca.cert.parent, ca, ["DNS:x"], "only", "serverAuth")
    with pytest.raises(Refused):
        Peer(url, tls_context(ca, own), 5)
    # The same with a good one is let in.
    with Peer(url, tls_context(ca, made.client)) as peer:
        assert peer.is_healthy()
    assert str(tls_stack.lookup(*FOUND)) == "OK 1"


def test_a_peer_without_tls_is_refused(tls_stack):
    url = tls_stack.backend.urls[0]
    with pytest.raises(Refused):
        Peer(url.replace("tls+", ""), timeout=5)
    assert str(tls_stack.lookup(*FOUND)) == "OK 1"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]
)
def test_a_version_before_1_2_is_refused(tls_stack, made, version):
    context = tls_context(made.ca, made.client)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with pytest.raises(Refused):
        Peer(tls_stack.backend.urls[0], context, 5)


@pytest.mark.parametrize(
    "server, name",
    [
        ("other_server", NAME),
        ("old_server", NAME),
        ("misnamed", NAME),
        ("by_ip", None),
        (None, NAME),
    ],
)
def test_a_backend_without_a_good_certificate_is_never_asked(
    sandbox, backend, frontend, made, server, name
):
    userli = sandbox()
    if server is None:  # it speaks no TLS at all
        daemon = backend(userli.url).wait_ready()
        urls = ["tls+" + daemon.urls[0]]
    else:
        own = getattr(made, server)
        daemon = backend(userli.url, **listens(own, made.ca)).wait_ready()
        urls = daemon.urls
    more = {"RPC_TLS_SERVER_NAME": name} if name else {}
    front = frontend(
        urls, LOOKUP_TIMEOUT="1s", **shows(made.client, made.ca, **more)
    )
    assert front.lookup(*FOUND).status in ("TEMP", "TIMEOUT")
    time.sleep(1)
    assert front.ready().status == 503
    assert front.lookup(*FOUND).status in ("TEMP", "TIMEOUT")
    assert userli.targets() == {}


def test_strangers_do_not_disturb_those_who_are_let_in(tls_stack, made):
    url = tls_stack.backend.urls[0]
    strange = tls_context(made.ca, made.other_client)
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            with contextlib.suppress(Refused):
                Peer(url, strange, 5).close()
            with contextlib.suppress(OSError):
                with connect(url) as stream:
                    stream.sendall(b"\x16\x03\x01\x02\x00\x01")

    threads = [threading.Thread(target=disturb) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            assert str(tls_stack.lookup(*FOUND)) == "OK 1"
        with Peer(url, tls_context(made.ca, made.client)) as peer:
            assert peer.is_healthy()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    name = "userli_postfix_adapter_backend_listener_restarts_total"
    assert tls_stack.backend.metrics().value(name) == 0


# --- Settings -----------------------------------------------------------------

BACKEND = {"USERLI_TOKEN": "x"}


def check(program, **settings):
    status, _, err = run(
        [program_path(f"userli-bridge-{program}"), "--check-config"],
        env={name: str(value) for name, value in settings.items()},
    )
    return status, err


@pytest.mark.parametrize(
    "url",
    ["tcp://0.0.0.0:0", "tcp://:10010", "tcp://[::]:0", "tcp://192.0.2.1:10010",
     "ipc:///run/x,tcp://10.0.0.1:10010"],
)
def test_a_backend_without_tls_refuses_an_open_address(made, url):
    settings = {**BACKEND, "BACKEND_LISTEN_URL": url}
    # Certificates do not make tcp:// secure.
    for more in ({}, shows(made.server, made.ca)):
        status, err = check("backend", **settings, **more)
        assert status == EX_CONFIG
        assert "BACKEND_LISTEN_URL" in err and url.rsplit(",")[-1] in err
        assert "tls+tcp://" in err and "BACKEND_INSECURE_NETWORK=1" in err
    status, err = check("backend", **settings, BACKEND_INSECURE_NETWORK=1)
    assert status == 0, err
    url = url.replace("tcp://", "tls+tcp://")
    status, err = check(
        "backend", **BACKEND, BACKEND_LISTEN_URL=url, **shows(made.server, made.ca)
    )
    assert status == 0, err


def test_a_backend_on_an_open_address_says_so_when_it_starts(sandbox, backend):
    daemon = backend(
        sandbox().url,
        BACKEND_LISTEN_URL="tcp://0.0.0.0:0",
        BACKEND_INSECURE_NETWORK="1",
    ).wait_ready()
    with Peer(daemon.urls[0].replace("0.0.0.0", "127.0.0.1")) as peer:
        assert peer.is_healthy()


@pytest.mark.parametrize(
    "program, setting",
    [("frontend", "BACKEND_URLS"), ("backend", "BACKEND_LISTEN_URL")],
)
def test_a_tls_url_wants_certificates(program, setting):
    status, err = check(program, **BACKEND, **{setting: "tls+tcp://127.0.0.1:10010"})
    assert status == EX_CONFIG
    for name in (setting, "RPC_TLS_CERT", "RPC_TLS_KEY", "RPC_TLS_CA"):
        assert name in err


@pytest.mark.parametrize("program", ["frontend", "backend"])
def test_certificates_that_cannot_be_used_are_named(program, made, tmp_path):
    own = made.client if program == "frontend" else made.server
    good = shows(own, made.ca)
    assert check(program, **BACKEND, **good)[0] == 0
    for name in good:
        some = {n: v for n, v in good.items() if n != name}
        status, err = check(program, **BACKEND, **some)
        assert status == EX_CONFIG and err.count("\n") == 1, err
        assert f"{name}: is not set" in err
        gone = tmp_path / "gone"
        status, err = check(program, **BACKEND, **{**good, name: gone})
        assert status == EX_CONFIG
        assert f"{name}: {gone}: cannot be read" in err
    status, err = check(program, **BACKEND, **{**good, "RPC_TLS_KEY": made.ca.key})
    assert status == EX_CONFIG and "is not the key" in err


# --- New certificates ---------------------------------------------------------


def copy(own, ca, folder):
    """The three files, at paths that the test may write to."""
    copies = Certificate(folder / "own.pem", folder / "own.key")
    copies.cert.write_bytes(own.cert.read_bytes())
    copies.key.write_bytes(own.key.read_bytes())
    copies.key.chmod(0o600)
    ca_copy = Certificate(folder / "ca.pem", None)
    ca_copy.cert.write_bytes(ca.cert.read_bytes())
    return copies, ca_copy


def shown_by(url, context):
    """The certificate that a listener shows, as DER."""
    with Peer(url, context) as peer:
        return peer.stream.getpeercert(binary_form=True)


@pytest.fixture
def renewable(make_stack, made, tmp_path):
    folders = [tmp_path / "backend", tmp_path / "frontend"]
    for folder in folders:
        folder.mkdir()
    server, server_ca = copy(made.server, made.ca, folders[0])
    client, client_ca = copy(made.client, made.ca, folders[1])
    stack = make_stack(
        backend=listens(server, server_ca),
        frontend=shows(client, client_ca, RPC_TLS_SERVER_NAME=NAME),
    )
    stack.folders = folders
    return stack


def connections(stack):
    return stack.frontend.metrics().value(
        "userli_postfix_adapter_pool_connections_total"
    )


def test_new_certificates_are_shown_after_hangup_and_connections_stay(renewable, made):
    url = renewable.backend.urls[0]
    context = tls_context(made.ca, made.client)
    before = shown_by(url, context)
    made_before = connections(renewable)
    renewed = make_certificate(
        made.ca.cert.parent, made.ca, [f"DNS:{NAME}"], "renewed", "serverAuth,clientAuth"
    )
    with Peer(url, context) as lasting:
        copy(renewed, made.ca, renewable.folders[0])
        assert shown_by(url, context) == before
        renewable.backend.signal(signal.SIGHUP)
        renewable.backend.wait_event("certificates taken over")
        wait_until(lambda: shown_by(url, context) != before, what="the new one")
        for _ in range(5):
            assert shown_by(url, context) != before
        assert lasting.is_healthy()
    assert str(renewable.lookup(*FOUND)) == "OK 1"
    assert connections(renewable) == made_before


def test_a_new_ca_lets_in_its_own_only(renewable, made):
    """Both tiers change, and meet again when the connection is made anew."""
    url = renewable.backend.urls[0]
    copy(made.other_server, made.other_ca, renewable.folders[0])
    renewable.backend.signal(signal.SIGHUP)
    renewable.backend.wait_event("certificates taken over")
    wait_until(
        lambda: served(url, tls_context(made.other_ca, made.other_client)),
        what="the new CA",
    )
    with pytest.raises(Refused):
        Peer(url, tls_context(made.ca, made.client), 5)
    copy(made.other_client, made.other_ca, renewable.folders[1])
    renewable.frontend.signal(signal.SIGHUP)
    renewable.frontend.wait_event("certificates taken over")
    assert str(renewable.lookup(*FOUND)) == "OK 1"


def served(url, context):
    with contextlib.suppress(Refused):
        with Peer(url, context, 5) as peer:
            return peer.is_healthy()
    return False


def test_a_frontend_dials_with_the_newest_certificates(
    sandbox, backend, frontend, made, tmp_path
):
    """Refused at first, it is let in once its files are right."""
    own, ca = copy(made.old_client, made.ca, tmp_path)
    daemon = backend(sandbox().url, **listens(made.server, made.ca)).wait_ready()
    front = frontend(daemon.urls, **shows(own, ca, RPC_TLS_SERVER_NAME=NAME))
    assert front.find_events("the other tier will refuse our certificate")
    time.sleep(1)
    assert front.ready().status == 503
    copy(made.client, made.ca, tmp_path)
    front.signal(signal.SIGHUP)
    front.wait_ready(10)
    assert str(front.lookup(*FOUND)) == "OK 1"


@pytest.mark.parametrize("tier", [0, 1], ids=["backend", "frontend"])
def test_files_that_cannot_be_used_leave_the_old_in_place(renewable, made, tier):
    daemon = (renewable.backend, renewable.frontend)[tier]
    for name, text in (("own.key", "half"), ("own.pem", ""), ("ca.pem", "x")):
        path = renewable.folders[tier] / name
        kept = path.read_text()
        path.write_text(text)
        daemon.signal(signal.SIGHUP)
        wait_until(
            lambda p=path: any(
                str(p) in e["error"]
                for e in daemon.find_events(
                    "certificates not taken over, the old ones stay"
                )
            ),
            what="the reason in the log",
        )
        path.write_text(kept)
    assert str(renewable.lookup(*FOUND)) == "OK 1"
    with Peer(renewable.backend.urls[0], tls_context(made.ca, made.client)) as peer:
        assert peer.is_healthy()


def test_lookups_under_way_while_certificates_change_are_all_answered(renewable, made):
    """Slow ones that are in userli's hands, and a stream of quick ones."""
    renewable.sandbox.set_faults(fault("mailbox", "alice@example.org", delay_ms=600))
    stop = threading.Event()
    wrong = []
    counts = []

    def look_up(number):
        count = 0
        with renewable.client() as client:
            while not stop.is_set():
                key = FOUND if number % 2 else ("domain", "example.org")
                reply = client.lookup(*key)
                count += 1
                if str(reply) != "OK 1":
                    wrong.append(str(reply))
        counts.append(count)

    threads = [threading.Thread(target=look_up, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(6):
            own = (made.server, made.old_server)[turn == 3]
            copy(own, made.ca, renewable.folders[0])
            renewable.backend.signal(signal.SIGHUP)
            renewable.frontend.signal(signal.SIGHUP)
            time.sleep(0.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert len(counts) == 16 and min(counts) >= 2
    assert len(renewable.backend.find_events("certificates taken over")) == 5


def test_no_key_is_seen_in_logs(renewable, made):
    renewable.backend.signal(signal.SIGHUP)
    renewable.backend.wait_event("certificates taken over")
    for daemon, own in ((renewable.backend, made.server), (renewable.frontend, made.client)):
        body = own.key.read_text().splitlines()[1]
        assert not any(body[:20] in line for line in daemon.lines)
