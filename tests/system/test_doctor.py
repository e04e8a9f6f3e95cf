"""userli-bridge doctor: what it finds between Postfix and userli, and what to change.

Postfix's configuration is a directory of the test's own, read by the real
postconf; nothing of Postfix runs.
"""

import os
import shutil
import socket

import pytest
from support import postfix
from support.certificates import make_ca, make_certificate
from support.daemons import program_path
from support.process import run

TOOL = program_path("userli-bridge")

pytestmark = pytest.mark.skipif(
    not shutil.which("postconf", path=postfix.search_path()), reason="no postconf"
)


class Doctor:
    """A mail host: settings of the frontend, main.cf, and what is said of them."""

    def __init__(self, folder):
        self.folder = folder
        self.etc = folder / "etc"
        self.queue = folder / "queue"
        for made in (self.etc, self.queue):
            made.mkdir(mode=0o755)
        self.settings = {}
        self.address = "127.0.0.1:10001"
        self.master = postfix.MASTER_CF.format(port=25, chroot="n")
        self.main = {
            "compatibility_level": "3.6",
            "queue_directory": self.queue,
            "virtual_alias_domains": "",
            "virtual_transport": "lmtp:unix:private/dovecot-lmtp",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sender_restrictions": "reject_sender_login_mismatch",
        }

    def use(self, stack):
        self.address = stack.frontend.address
        self.settings = {
            "SOCKETMAP_LISTEN_ADDR": self.address,
            "METRICS_LISTEN_ADDR": stack.frontend.metrics_url.removeprefix("http://"),
            "BACKEND_URLS": ",".join(stack.backend.urls),
        }
        self.backend = stack.backend.metrics_url.removeprefix("http://")
        return self

    def maps(self, prefix=None):
        prefix = prefix or f"socketmap:inet:{self.address}"
        return {
            "virtual_alias_maps": f"{prefix}:alias",
            "virtual_mailbox_domains": f"{prefix}:domain",
            "virtual_mailbox_maps": f"{prefix}:mailbox",
            "smtpd_sender_login_maps": f"{prefix}:senders",
        }

    def run(self, settings=None, master=None, **main):
        """Status, and the findings as (text, fix)."""
        values = {**self.main, **self.maps(), **main}
        text = "".join(f"{k} = {v}\n" for k, v in values.items() if v is not None)
        (self.etc / "main.cf").write_text(text)
        # postconf waits with a file that may still be being written.
        os.utime(self.etc / "main.cf", (0, 0))
        (self.etc / "master.cf").write_text(master or self.master)
        config = self.folder / "frontend.conf"
        merged = {**self.settings, **(settings or {})}
        config.write_text("".join(f"{k}={v}\n" for k, v in merged.items()))
        status, out, error = run(
            [TOOL, "doctor", "--config", config, "--postfix", self.etc, self.backend],
            timeout=60,
        )
        assert "\033" not in out
        lines = out.splitlines()
        found = [
            (line.split("FINDING", 1)[1].strip(), fix.split("->", 1)[-1].strip())
            for line, fix in zip(lines, [*lines[1:], ""])
            if "FINDING" in line
        ]
        assert status == (1 if found else 0), out + error
        self.out = out
        return found


@pytest.fixture(name="doctor")
def fixture_doctor(tmp_path, shared):
    return Doctor(tmp_path).use(shared)


def only(found):
    assert len(found) == 1, found
    return found[0]


def test_nothing_is_found_where_nothing_is_wrong(doctor):
    assert doctor.run() == [], doctor.out
    assert doctor.out.endswith("Nothing found.\n")
    for claim in (
        "the frontend at",
        "answers as Postfix asks",
        "takes lookups, version",
        "accepts its token",
        "clock of",
        "main.cf asks the right maps",
        "Postfix holds up to",
    ):
        assert claim in doctor.out, claim


# --- main.cf -------------------------------------------------------------------


def test_the_alias_map_is_asked_for_bare_domains_by_default(doctor):
    text, fix = only(doctor.run(virtual_alias_domains=None))
    assert "every bare domain" in text
    assert fix == "virtual_alias_domains ="


@pytest.mark.parametrize("transport", ["virtual", None])
def test_virtual_refuses_socketmap(doctor, transport):
    text, fix = only(doctor.run(virtual_transport=transport))
    assert "virtual(8)" in text and "virtual_mailbox_maps" in text
    assert fix.startswith("virtual_transport = lmtp:")


def test_local_refuses_socketmap(doctor):
    text, fix = only(doctor.run(alias_maps=f"socketmap:inet:{doctor.address}:alias"))
    assert "local(8)" in text
    assert fix.startswith("alias_maps = ")


def test_a_map_under_the_wrong_name_is_told_with_the_right_line(doctor):
    table = f"socketmap:inet:{doctor.address}"
    text, fix = only(doctor.run(virtual_mailbox_maps=f"{table}:alias"))
    assert '"alias"' in text and '"mailbox"' in text
    assert fix == f"virtual_mailbox_maps = {table}:mailbox"


def test_proxymap_refuses_what_is_not_listed(doctor):
    table = f"proxy:socketmap:inet:{doctor.address}"
    assert doctor.run(**doctor.maps(table)) == [], doctor.out
    found = doctor.run(**doctor.maps(table), proxy_read_maps="$virtual_alias_maps")
    assert len(found) == 3
    assert all("proxy_read_maps" in text for text, _ in found)
    assert found[0][1].startswith(f"virtual_mailbox_domains = {table[6:]}:domain")


def test_process_limits_may_exceed_connections(doctor):
    assert doctor.run(default_process_limit=4000) != []
    text, fix = only(doctor.run({"SOCKETMAP_MAX_CONNECTIONS": "250"}))
    assert "250" in text
    assert fix.startswith("SOCKETMAP_MAX_CONNECTIONS=")
    limit = fix.partition("=")[2]
    assert doctor.run({"SOCKETMAP_MAX_CONNECTIONS": limit}) == []


def test_sender_logins_need_a_restriction_and_sasl(doctor):
    text, fix = only(doctor.run(smtpd_sender_restrictions=""))
    assert "asked by nobody" in text
    assert fix == "smtpd_sender_restrictions = reject_sender_login_mismatch"
    text, fix = only(doctor.run(smtpd_sasl_auth_enable="no"))
    assert "SASL" in text and fix == "smtpd_sasl_auth_enable = yes"
    # It may be master.cf that turns both on.
    submission = (
        "submission inet n - n - - smtpd\n"
        " -o smtpd_sasl_auth_enable=yes\n"
        " -o smtpd_sender_restrictions=reject_sender_login_mismatch\n"
    )
    assert (
        doctor.run(
            master=doctor.master + submission,
            smtpd_sender_restrictions="",
            smtpd_sasl_auth_enable="no",
        )
        == []
    ), doctor.out


def test_a_main_cf_that_does_not_ask_is_told_the_lines(doctor):
    none = dict.fromkeys(doctor.maps(), None)
    found = doctor.run(**none)
    assert {fix.partition(" =")[0] for _, fix in found} == {
        "virtual_alias_maps",
        "virtual_mailbox_domains",
        "virtual_mailbox_maps",
    }


def test_a_delimiter_that_only_postfix_has_is_a_finding(doctor):
    text, fix = only(doctor.run(recipient_delimiter="+"))
    assert "user+ext" in text
    assert fix.startswith("POSTFIX_RECIPIENT_DELIMITER=+")


def test_a_delimiter_that_both_have_is_none(make_stack, tmp_path):
    stack = make_stack(backend={"POSTFIX_RECIPIENT_DELIMITER": "+"})
    doctor = Doctor(tmp_path).use(stack)
    assert doctor.run(recipient_delimiter="+") == [], doctor.out
    text, fix = only(doctor.run())
    assert "Postfix has no recipient_delimiter" in text
    assert fix.startswith("recipient_delimiter = +")


# --- Sockets --------------------------------------------------------------------

CHROOT = postfix.MASTER_CF.format(port=25, chroot="y")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as another user")
def test_a_socket_must_be_where_the_chroot_sees_it(doctor, tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:3]):
        if folder.stat().st_uid == os.geteuid() and str(folder) != "/tmp":
            folder.chmod(0o755)
    inside, outside = doctor.queue / "userli", tmp_path / "outside"
    with socket.socket(socket.AF_UNIX) as a, socket.socket(socket.AF_UNIX) as b:
        for server, path in ((a, inside), (b, outside)):
            server.bind(os.path.relpath(path))
            path.chmod(0o666)
        relative = doctor.maps("socketmap:unix:userli")
        absolute = doctor.maps(f"socketmap:unix:{outside}")
        assert doctor.run(master=CHROOT, **relative) == [], doctor.out
        assert doctor.run(**absolute) == [], doctor.out
        text, fix = doctor.run(master=CHROOT, **absolute)[0]
        assert "smtpd (in its chroot) cannot connect" in text
        assert f"SOCKETMAP_LISTEN_ADDR={doctor.queue}{outside}" in fix
        # And Postfix must be let in.
        inside.chmod(0o600)
        text, fix = doctor.run(**relative)[0]
        assert "mode 0600" in text and "SOCKETMAP_SOCKET_GROUP=postfix" in fix


# --- The daemons ------------------------------------------------------------------


def test_a_refused_token_is_named(doctor, make_stack, tmp_path_factory):
    stack = make_stack()
    own = Doctor(tmp_path_factory.mktemp("host")).use(stack)
    stack.sandbox.set_faults({"match": "*", "status": 401})
    stack.backend.wait_not_ready()
    found = own.run()
    assert any("USERLI_TOKEN" in fix for _, fix in found), own.out
    assert any("not ready" in text for text, _ in found), own.out


def test_a_backend_that_is_gone_is_named(make_stack, tmp_path):
    stack = make_stack()
    doctor = Doctor(tmp_path).use(stack)
    url = stack.backend.urls[0]
    stack.backend.stop()
    stack.frontend.wait_not_ready()
    found = doctor.run()
    assert any(url in text for text, _ in found), doctor.out
    assert any("frontend" in text and "not ready" in text for text, _ in found), doctor.out


def test_a_name_without_an_address_is_told(doctor):
    found = doctor.run({"BACKEND_URLS": "tcp://backend.invalid:10010"})
    assert any("backend.invalid" in text and "no address" in text for text, _ in found)


def test_settings_that_are_wrong_are_told_as_the_daemon_would(doctor):
    text, _ = only(doctor.run({"LOOKUP_TIMEOUT": "soon"}))
    assert "LOOKUP_TIMEOUT" in text and '"soon"' in text


def test_a_directory_that_is_no_postfixs_is_a_finding(doctor, tmp_path):
    status, out, _ = run([TOOL, "doctor", "--postfix", tmp_path / "none"], timeout=60)
    assert status == 1 and "postconf" in out


def test_a_backend_is_asked_over_tls_and_certificates_that_end_are_told(
    make_stack, tmp_path
):
    ca = make_ca(tmp_path)
    server = make_certificate(
        tmp_path, ca, ["DNS:backend.invalid"], "server", "serverAuth,clientAuth"
    )
    client = make_certificate(tmp_path, ca, ["DNS:mail.invalid"], "client", "clientAuth")

    def shows(own):
        return {"RPC_TLS_CERT": own.cert, "RPC_TLS_KEY": own.key, "RPC_TLS_CA": ca.cert}

    name = {"RPC_TLS_SERVER_NAME": "backend.invalid"}
    stack = make_stack(
        backend={"BACKEND_LISTEN_URL": "tls+tcp://127.0.0.1:0", **shows(server)},
        frontend={**shows(client), **name},
    )
    doctor = Doctor(tmp_path).use(stack)
    found = doctor.run({**shows(client), **name})
    assert "accepts its token" in doctor.out
    # They are good for two days, as tests' certificates are.
    assert [text.split(" expires in ")[0] for text, _ in found] == [
        "the frontend's certificate",
        "the backend's certificate",
    ]
    assert all("RPC_TLS_CERT" in fix for _, fix in found)
    # Without certificates it cannot be asked, and that is told.
    assert any("RPC_TLS_CERT" in text for text, _ in doctor.run())
