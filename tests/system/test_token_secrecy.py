"""The token goes to the userli that is configured, and to nobody else.

Redirects, certificates that do not hold, and everything in the environment that
libraries like to listen to.
"""

import ssl
import warnings

import pytest
from support.bridge import FAILURES, Bridge
from support.certificates import (
    make_ca,
    make_certificate,
    make_later_certificate,
    server_context,
)
from support.daemons import TOKEN, Backend, Frontend
from support.scripted_userli import ScriptedUserli, reply
from support.wait import wait_until


@pytest.fixture
def witness():
    """Where no request may ever arrive."""
    with ScriptedUserli(lambda _: reply(body="false")) as server:
        yield server
        assert server.connections == 0, server.requests()


TARGETS = ("/elsewhere", "{same}/api/postfix/mailbox/x", "{other}/", "//{bare}/", "{name}/",
           "file:///etc/passwd", "ftp://{bare}/", "gopher://{bare}/", "data:,false",
           "unix:/run/x", "\\\\{bare}\\x", "http://user:password@{bare}/")


@pytest.mark.parametrize("status", ("301 Moved", "302 Found", "303 See Other", "307 T", "308 P"))
def test_a_redirect_is_not_followed(keeper, witness, status):
    targets = iter(TARGETS)

    def redirecting(request):
        if request.is_check:
            return reply(body="true")
        target = next(targets).format(
            same=server.url, other=witness.url, bare=witness.url.partition("//")[2],
            name=witness.url.replace("127.0.0.1", "localhost"))
        more = {"Refresh": f"0; url={target}"} if status.startswith("301") else {}
        return reply(status, "false", Location=target, **more)

    with ScriptedUserli(redirecting) as server:
        bridge = Bridge(keeper, server.url)
        for n in range(len(TARGETS)):
            got = bridge.lookup(f"{n}@moved.example")
            assert got.status == "TEMP" and "USERLI_BASE_URL" in got.data, got
        assert bridge.failures()["base_url"] == len(TARGETS)
        assert len(server.requests("mailbox/")) == len(TARGETS)


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    ca, other = make_ca(folder), make_ca(folder, "other")
    here = ["IP:127.0.0.1"]
    there = ["DNS:other.example", "IP:127.0.0.2"]

    class Tls:
        ca_file, other_ca_file, path = ca.cert, other.cert, folder
        good = make_certificate(folder, ca, here)
        expired = make_certificate(folder, ca, here, "expired", days="-1")
        later = make_later_certificate(folder, ca, here)
        misnamed = make_certificate(folder, ca, there, "misnamed")
        unknown = make_certificate(folder, other, here, "unknown")
        self_signed = make_ca(folder, "self")
        for_clients = make_certificate(folder, ca, here, "client", usage="clientAuth")

    return Tls


def of_version(version):
    def change(context):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version

    return change


CERTIFICATES = [
    ("expired", None, "has expired"),
    ("later", None, "is not valid yet"),
    ("misnamed", None, "is for another host"),
    ("unknown", None, "issuer is not trusted"),
    ("self_signed", None, "self-signed"),
    ("for_clients", None, "is not accepted"),
    ("good", of_version(ssl.TLSVersion.TLSv1), "handshake failed"),
    ("good", of_version(ssl.TLSVersion.TLSv1_1), "handshake failed"),
    ("good", lambda context: context.set_ciphers("aNULL:eNULL:@SECLEVEL=0")
     or setattr(context, "maximum_version", ssl.TLSVersion.TLSv1_2), "handshake failed"),
]


def ask_untrusted(keeper, server, **settings):
    """What is said of a server that the backend must not tell its token."""
    backend = keeper.add(Backend(server.url, **settings))
    got = keeper.add(Frontend(backend.urls)).lookup("mailbox", "a@tls.example")
    assert got.status == "TEMP", got
    wait_until(lambda: server.connections, what="it was tried")
    assert not server.requests(), "it has seen the token"
    assert backend.metrics().value(FAILURES, reason="tls") >= 1
    return got.data


@pytest.mark.parametrize("which, change, reason", CERTIFICATES)
def test_a_server_that_cannot_be_trusted_gets_no_request(keeper, tls, which, change, reason):
    context = server_context(getattr(tls, which))
    if change:
        change(context)
    with ScriptedUserli(lambda _: reply(body="false"), tls=context) as server:
        said = ask_untrusted(keeper, server, USERLI_CA_FILE=tls.ca_file)
    assert reason in said


# --- the environment ----------------------------------------------------------


def diverting(tls, folder, proxy):
    """What libcurl, its tool or OpenSSL would listen to, from a file up to a proxy."""
    login = "machine 127.0.0.1 login evil password evil\n"
    files = {
        ".netrc": login + "default login evil password evil\n",
        ".curlrc": f'proxy = "{proxy}"\ninsecure\nnetrc\nlocation\n',
        "openssl.cnf": "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n"
        f"VerifyCAFile = {tls.other_ca_file}\nVerifyMode = Request\n"
        "CipherString = ALL:@SECLEVEL=0\nMinProtocol = TLSv1\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    proxies = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    return {
        **{name: proxy for name in proxies},
        "no_proxy": "",
        "NO_PROXY": "",
        "HOME": folder,
        "CURL_HOME": folder,
        "XDG_CONFIG_HOME": folder,
        "NETRC": folder / ".netrc",
        "CURL_CA_BUNDLE": tls.other_ca_file,
        "SSL_CERT_FILE": tls.other_ca_file,
        "SSL_CERT_DIR": tls.path,
        "SSLKEYLOGFILE": folder / "keys",
        "OPENSSL_CONF": folder / "openssl.cnf",
    }


@pytest.mark.parametrize("scheme", ("http", "https"))
@pytest.mark.parametrize("proxy", ("http", "socks5h"))
def test_the_environment_diverts_no_request(keeper, tls, tmp_path, witness, scheme, proxy):
    env = diverting(tls, tmp_path, witness.url.replace("http", proxy))
    context = server_context(tls.good) if scheme == "https" else None
    with ScriptedUserli(lambda _: reply(body="true"), tls=context) as server:
        bridge = Bridge(keeper, server.url, USERLI_CA_FILE=tls.ca_file, **env)
        assert str(bridge.lookup("a@env.example")) == "OK 1"
        assert {r.token for r in server.requests()} == {TOKEN}, "as .netrc has it"
    assert not (tmp_path / "keys").exists(), "whoever reads it can read the token"


@pytest.mark.parametrize("ca", (True, False), ids=("private_ca", "systems_cas"))
def test_the_environment_makes_no_server_trusted(keeper, tls, tmp_path, witness, ca):
    env = diverting(tls, tmp_path, witness.url)
    context = server_context(tls.unknown)
    with ScriptedUserli(lambda _: reply(body="true"), tls=context) as server:
        ask_untrusted(keeper, server, USERLI_CA_FILE=tls.ca_file if ca else None, **env)


def test_the_environment_allows_no_old_tls(keeper, tls, tmp_path, witness):
    env = diverting(tls, tmp_path, witness.url)
    context = server_context(tls.good)
    of_version(ssl.TLSVersion.TLSv1_1)(context)
    with ScriptedUserli(lambda _: reply(body="true"), tls=context) as server:
        ask_untrusted(keeper, server, USERLI_CA_FILE=tls.ca_file, **env)
