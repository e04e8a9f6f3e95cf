"""deploy/postfix: each snippet in a real Postfix's main.cf."""

import re
import smtplib

import pytest
from support import postfix as postfix_instance
from support.daemons import REPOSITORY
from support.mail_peers import DovecotAuth, LmtpSink
from support.postfix import Postfix
from support.wait import PATIENCE, wait_until

reason = postfix_instance.why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))

FOLDER = REPOSITORY / "deploy" / "postfix"
USUAL = "127.0.0.1:10001"


def snippet(name):
    """{parameter: value} of a file."""
    lines = (FOLDER / name).read_text().splitlines()
    assert all(re.match(r"#|\w+ =|$", line) for line in lines), "one line each"
    return dict(re.split(r" = ?", line, maxsplit=1) for line in lines if re.match(r"\w", line))


class MailHost:
    """A Postfix with a snippet and lmtp.cf, and a sink for what it delivers."""

    def __init__(self, name, where, auth, chroot=False, **settings):
        self.sink = LmtpSink()
        main_cf = {**snippet(name), **snippet("lmtp.cf")}
        for parameter, value in main_cf.items():
            value = value.replace(USUAL, where).replace("frontends.example.org:10001", where)
            main_cf[parameter] = value.replace("127.0.0.1:24", "127.0.0.1:%d" % self.sink.address[1])
        self.postfix = Postfix(
            chroot=chroot, **main_cf, **settings,
            smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_tls_auth_only="no",
            smtpd_sasl_path=f"inet:127.0.0.1:{auth.address[1]}",
        )

    def stop(self):
        self.postfix.stop()
        self.sink.stop()

    def send(self, recipient, sender="stranger@elsewhere.example"):
        """The code for the recipient; mail is sent if it is taken."""
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=PATIENCE) as smtp:
            smtp.ehlo("client.example")
            smtp.mail(sender)
            code = smtp.rcpt(recipient)[0]
            if code == 250:
                assert smtp.data("Subject: snippet\r\n\r\nHello\r\n")[0] == 250
        return code

    def check(self):
        """Every map answers, and mail goes where userli says."""
        assert self.send("info@example.org") == 250, self.postfix.log()
        want = ["alice@example.org", "bob@example.org"]
        wait_until(lambda: self.sink.recipients_of("snippet") == want, what="the mail arrives")
        assert self.send("nobody@example.org") == 550, self.postfix.log()
        assert self.send("someone@elsewhere.example") == 554, self.postfix.log()
        # An owned address, by somebody who is not logged in.
        assert self.send("bob@example.org", sender="alice@example.org") == 553, self.postfix.log()
        assert "warning" not in self.postfix.log().replace("dict_nis_init", ""), self.postfix.log()


@pytest.fixture
def mail_host(request):
    """mail_host(snippet, where, …), stopped at the end."""
    auth = DovecotAuth(None, {})
    request.addfinalizer(auth.stop)

    def start(*arguments, **options):
        host = MailHost(*arguments, auth=auth, **options)
        request.addfinalizer(host.stop)
        return host

    return start


def test_inet_serves_several_hosts_with_a_frontend_each(stack, frontend, mail_host):
    second = frontend(stack.backend.urls).wait_ready()
    for address in (stack.frontend.address, second.address):
        mail_host("inet.cf", address).check()


def test_no_bare_domain_is_asked_of_the_alias_map(stack, mail_host):
    mail_host("inet.cf", stack.frontend.address).check()
    metrics = stack.frontend.metrics()
    assert metrics.total("userli_postfix_adapter_lookups_answered_total", source="rule") == 0


def test_chroot_reaches_the_socket_inside_the_queue(stack, frontend, mail_host):
    host = mail_host("chroot.cf", "", chroot=True)
    folder = host.postfix.queue / "userli"
    folder.mkdir()
    frontend(
        stack.backend.urls, SOCKETMAP_LISTEN_ADDR=folder / "socketmap",
        SOCKETMAP_SOCKET_GROUP="postfix",
    ).wait_ready()
    host.check()


def test_hosts_asks_by_name_whichever_address_answers(stack, mail_host):
    """localhost is ::1 as well, where nobody listens."""
    where = stack.frontend.address.replace("127.0.0.1", "localhost")
    mail_host("hosts.cf", where, inet_protocols="all").check()


def test_proxy_shares_connections(stack, mail_host):
    host = mail_host("proxy.cf", stack.frontend.address)
    host.check()
    connections = stack.frontend.metrics().value("userli_postfix_adapter_active_connections")
    assert connections <= 1


def test_every_snippet_is_tested():
    tested = set(re.findall(r'mail_host\("([\w.]+)"', open(__file__, encoding="utf-8").read()))
    assert {path.name for path in FOLDER.glob("*")} == tested | {"lmtp.cf"}
