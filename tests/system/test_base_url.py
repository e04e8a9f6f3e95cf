"""USERLI_BASE_URL: prefixes, names, UNIX sockets, https and its certificates."""

import pytest
from support.certificates import make_ca, make_certificate
from support.wait import wait_until

MAPS = (
    ("alias", "info@example.org", "OK alice@example.org,bob@example.org"),
    ("domain", "example.org", "OK 1"),
    ("mailbox", "nobody@example.org", "NOTFOUND "),
    ("senders", "alice@example.org", "OK alice@example.org"),
)


def check_maps(front):
    for name, key, reply in MAPS:
        assert str(front.lookup(name, key)) == reply


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """A CA, a certificate of its own for the sandbox, and a CA nobody trusts."""
    folder = tmp_path_factory.mktemp("tls")
    ca = make_ca(folder)
    names = ("IP:127.0.0.1", "DNS:localhost")

    class Tls:
        ca_file = ca.cert
        server = make_certificate(folder, ca, names)
        misnamed = make_certificate(folder, ca, ["DNS:other.example"], "misnamed")
        other_ca_file = make_ca(folder, "other").cert

    return Tls


def tls_options(certificate):
    return ("--tls-cert", certificate.cert, "--tls-key", certificate.key)


@pytest.mark.parametrize("slash", ("", "/"))
@pytest.mark.parametrize("prefix", ("/userli", "/a/b%20c/d"))
def test_a_prefix_is_put_before_the_path(sandbox, backend, frontend, prefix, slash):
    server = sandbox(prefix=prefix)
    rear = backend(server.url + slash).wait_ready()
    check_maps(frontend(rear.urls).wait_ready())
    for target in server.targets():
        assert target.startswith(f"{prefix}/api/postfix/"), target


def test_a_slash_at_the_end_is_not_doubled(sandbox, backend, frontend):
    server = sandbox()
    rear = backend(server.url + "/").wait_ready()
    check_maps(frontend(rear.urls).wait_ready())
    assert all(target.startswith("/api/postfix/") for target in server.targets())


def test_a_wrong_prefix_is_temporary(sandbox, backend, frontend):
    rear = backend(sandbox().url + "/wrong")
    front = frontend(rear.urls)
    for name, key, _ in MAPS:
        reply = front.lookup(name, key)
        assert reply.status == "TEMP" and reply.data, reply
    rear.wait_not_ready()


def test_a_name_is_resolved(sandbox, backend, frontend):
    server = sandbox()
    rear = backend(server.url.replace("127.0.0.1", "localhost")).wait_ready()
    check_maps(frontend(rear.urls).wait_ready())


def test_a_name_that_does_not_exist_is_temporary(backend, frontend):
    rear = backend("http://no-such-host.invalid:8000")
    front = frontend(rear.urls, LOOKUP_TIMEOUT="20s")
    reply = front.lookup("domain", "example.org")
    assert reply.status in ("TEMP", "TIMEOUT") and reply.data, reply
    rear.wait_not_ready()


def test_a_unix_socket_is_asked(sandbox, backend, frontend, short_dir):
    path = short_dir / "userli.sock"
    server = sandbox("--listen-unix", path)
    rear = backend(f"unix:{path}").wait_ready()
    check_maps(frontend(rear.urls).wait_ready())
    assert all(target.startswith("/api/postfix/") for target in server.targets())


def test_a_unix_socket_may_have_a_prefix(sandbox, backend, frontend, short_dir):
    path = short_dir / "userli.sock"
    server = sandbox("--listen-unix", path, prefix="/userli")
    rear = backend(f"unix:{path}:/userli").wait_ready()
    check_maps(frontend(rear.urls).wait_ready())
    assert all(target.startswith("/userli/api/") for target in server.targets())


def test_a_missing_unix_socket_is_temporary(backend, frontend, short_dir):
    rear = backend(f"unix:{short_dir}/none.sock")
    reply = frontend(rear.urls).lookup("domain", "example.org")
    assert reply.status == "TEMP" and reply.data, reply


@pytest.mark.parametrize("host", ("127.0.0.1", "localhost"))
def test_https_with_a_private_ca(sandbox, backend, frontend, tls, host):
    server = sandbox(*tls_options(tls.server))
    assert server.url.startswith("https://")
    url = server.url.replace("127.0.0.1", host)
    rear = backend(url, USERLI_CA_FILE=tls.ca_file).wait_ready()
    check_maps(frontend(rear.urls).wait_ready())


@pytest.mark.parametrize("what", ("another CA", "the system's CAs", "another name"))
def test_a_certificate_that_does_not_hold_is_temporary(
    sandbox, backend, frontend, tls, what
):
    certificate = tls.misnamed if what == "another name" else tls.server
    ca_file = {
        "another CA": tls.other_ca_file,
        "the system's CAs": None,
        "another name": tls.ca_file,
    }[what]
    server = sandbox(*tls_options(certificate))
    rear = backend(server.url, USERLI_CA_FILE=ca_file)
    front = frontend(rear.urls)
    for name, key, _ in MAPS:
        reply = front.lookup(name, key)
        assert reply.status == "TEMP" and reply.data, reply
    rear.wait_not_ready()
    wait_until(lambda: rear.ready().json(), what="a reason")


def test_http_on_a_tls_port_is_temporary(sandbox, backend, frontend, tls):
    server = sandbox(*tls_options(tls.server))
    rear = backend(server.url.replace("https:", "http:"))
    reply = frontend(rear.urls).lookup("domain", "example.org")
    assert reply.status == "TEMP" and reply.data, reply


def test_proxies_of_the_environment_are_not_used(sandbox, backend, frontend):
    proxy = "http://127.0.0.1:9"
    rear = backend(
        sandbox().url, http_proxy=proxy, HTTP_PROXY=proxy, ALL_PROXY=proxy
    ).wait_ready()
    check_maps(frontend(rear.urls).wait_ready())
