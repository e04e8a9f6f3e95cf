"""A real Postfix accepts, rewrites, refuses and defers by what userli says."""

import itertools
import smtplib
import tempfile
from pathlib import Path

import pytest
from support import postfix as postfix_instance
from support.daemons import Stack
from support.directory import sample_directory
from support.mail_peers import DovecotAuth, LmtpSink
from support.postfix import Postfix
from support.process import Keeper
from support.wait import PATIENCE, TimedOut, wait_until

reason = postfix_instance.why_not()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))

STRANGER = "stranger@elsewhere.example"
PASSWORDS = {
    user["email"]: user["password"] for user in sample_directory()["users"]
}
subjects = (f"test-{number}" for number in itertools.count())


class Site:
    """A mail host: Postfix, the bridge and userli behind it, sinks around it."""

    def __init__(self, keeper, directory, backend=None, **main_cf):
        self.folder = Path(tempfile.mkdtemp(prefix="ub-site-"))
        self.folder.chmod(0o755)
        keeper.defer(self._remove_folder)
        self.socket = self.folder / "map.sock"
        self.stack = Stack(
            keeper,
            directory,
            backend=backend,
            frontend={
                "SOCKETMAP_LISTEN_ADDR": f"127.0.0.1:0,{self.socket}",
                "SOCKETMAP_SOCKET_MODE": "0666",
            },
        )
        self.sink = LmtpSink()
        self.auth = DovecotAuth(self.folder / "auth.sock", PASSWORDS)
        self.postfix = Postfix(
            virtual_alias_maps=self.inet("alias"),
            virtual_mailbox_domains=self.unix("domain"),
            virtual_mailbox_maps=self.inet("mailbox"),
            smtpd_sender_login_maps=self.unix("senders"),
            smtpd_sender_restrictions="reject_sender_login_mismatch",
            virtual_transport=f"lmtp:inet:127.0.0.1:{self.sink.address[1]}",
            smtpd_sasl_auth_enable="yes",
            smtpd_sasl_type="dovecot",
            smtpd_sasl_path=self.auth.address,
            smtpd_tls_auth_only="no",
            **main_cf,
        )

    def inet(self, name):
        return f"socketmap:inet:{self.stack.frontend.address}:{name}"

    def unix(self, name):
        return f"socketmap:unix:{self.socket}:{name}"

    def _remove_folder(self):
        for path in self.folder.iterdir():
            path.unlink()
        self.folder.rmdir()

    def stop(self):
        """Postfix first: it still asks while it ends."""
        try:
            self.postfix.stop()
        finally:
            self.auth.stop()
            self.sink.stop()

    def send(self, sender, *recipients, user=None):
        """One mail by SMTP; (the subject, {recipient: reply}) of what came."""
        subject = next(subjects)
        replies = {}
        with smtplib.SMTP("127.0.0.1", self.postfix.port, timeout=PATIENCE) as smtp:
            smtp.ehlo("client.example")
            if user:
                smtp.login(user, PASSWORDS[user])
            code, text = smtp.mail(sender)
            if code >= 300:
                return subject, {to: (code, text.decode()) for to in recipients}
            for recipient in recipients:
                code, text = smtp.rcpt(recipient)
                replies[recipient] = (code, text.decode())
            if any(code < 300 for code, _ in replies.values()):
                code, text = smtp.data(f"Subject: {subject}\r\n\r\nHello\r\n")
                assert code == 250, text
        return subject, replies

    def delivered(self, sender, recipient, *to, user=None):
        """Send to one recipient and see it arrive at exactly these addresses."""
        subject, replies = self.send(sender, recipient, user=user)
        assert replies[recipient][0] == 250, replies
        try:
            wait_until(lambda: self.sink.recipients_of(subject) == sorted(to))
        except TimedOut as error:
            got = self.sink.recipients_of(subject)
            raise AssertionError(f"{got}, not {to}\n{self.postfix.log()}") from error

    def refused(self, sender, recipient, code, user=None):
        """Send to one recipient and be refused with this code."""
        _, replies = self.send(sender, recipient, user=user)
        assert replies[recipient][0] == code, (replies, self.postfix.log())
        return replies[recipient][1]


@pytest.fixture(scope="module")
def site(directory_file):
    """The usual site, with a recipient delimiter on both sides and the cache as it
    is by default."""
    backend = {"POSTFIX_RECIPIENT_DELIMITER": "+", "LOOKUP_CACHE_TTL": None}
    yield from run_site(directory_file, backend, recipient_delimiter="+")


@pytest.fixture(scope="module")
def forgetful_site(directory_file):
    """One whose backend remembers nothing."""
    yield from run_site(directory_file, {})


@pytest.fixture
def fragile_site(directory_file):
    """One without a delimiter, whose parts a test may end."""
    yield from run_site(directory_file, {"USERLI_TIMEOUT": "2s"})


def run_site(directory, backend, **main_cf):
    keeper = Keeper()
    site = None
    try:
        site = Site(keeper, directory, backend, **main_cf)
        yield site
    finally:
        if site:
            site.stop()
        keeper.finish()


@pytest.mark.parametrize("transport", ("inet", "unix"))
@pytest.mark.parametrize(
    "name, key, value",
    [
        ("alias", "info@example.org", "alice@example.org,bob@example.org"),
        ("alias", "one+x@example.org", "alice@example.org"),
        ("domain", "example.org", "1"),
        ("mailbox", "alice@example.org", "1"),
        ("mailbox", "Alice@Example.org", "1"),
        ("senders", "info@example.org", "alice@example.org,bob@example.org"),
        ("alias", "nobody@example.org", None),
        ("alias", "example.org", None),
        ("domain", "elsewhere.example", None),
        ("mailbox", "info@example.org", None),
        ("senders", "nobody@example.org", None),
    ],
)
def test_postmap_asks_every_map(site, transport, name, key, value):
    table = getattr(site, transport)(name)
    assert site.postfix.postmap(key, table) == ((0, value) if value else (1, ""))


def test_mail_to_a_mailbox_is_delivered(site):
    site.delivered(STRANGER, "alice@example.org", "alice@example.org")


def test_mail_to_an_alias_reaches_all_its_destinations(site):
    site.delivered(
        STRANGER, "info@example.org", "alice@example.org", "bob@example.org"
    )


def test_mail_from_the_null_sender_is_delivered(site):
    site.delivered("", "alice@example.org", "alice@example.org")


def test_mail_in_capitals_is_delivered(site):
    site.delivered(STRANGER, "INFO@Example.ORG", "alice@example.org", "bob@example.org")


def test_postmaster_of_a_domain_is_delivered(site):
    site.delivered(STRANGER, "postmaster@second.example", "admin@example.org")


def test_an_extension_follows_the_delimiter(site):
    site.delivered(STRANGER, "alice+news@example.org", "alice+news@example.org")
    # The whole key was found, so that nothing is left over to be propagated.
    site.delivered(STRANGER, "one+news@example.org", "alice@example.org")


def test_an_unknown_recipient_is_refused(site):
    assert "5.1.1" in site.refused(STRANGER, "nobody@example.org", 550)


@pytest.mark.parametrize(
    "recipient", ('"two words"@example.org', "o'neil@example.org", "a/b@example.org")
)
def test_a_recipient_that_userli_cannot_hold_is_refused(site, recipient):
    site.refused(STRANGER, recipient, 550)


def test_a_foreign_recipient_is_not_relayed(site):
    site.refused(STRANGER, "someone@elsewhere.example", 554)


def test_one_unknown_recipient_of_several_is_refused_alone(site):
    recipients = ("nobody@example.org", "alice@example.org", "bob@second.example")
    subject, replies = site.send(STRANGER, *recipients)
    assert [replies[to][0] for to in recipients] == [550, 250, 250]
    wanted = sorted(recipients[1:])
    wait_until(lambda: site.sink.recipients_of(subject) == wanted, what="both mails")


def test_the_owner_of_an_address_may_send_from_it(site):
    user = "alice@example.org"
    site.delivered(user, "bob@example.org", "bob@example.org", user=user)
    site.delivered("info@example.org", "bob@example.org", "bob@example.org", user=user)


def test_a_sender_who_does_not_own_the_address_is_refused(site):
    text = site.refused(
        "admin@example.org", "bob@example.org", 553, user="alice@example.org"
    )
    assert "not owned by user" in text


def test_a_stranger_may_not_send_from_an_owned_address(site):
    text = site.refused("alice@example.org", "bob@example.org", 553)
    assert "not logged in" in text


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503},
        {"status": 401, "body": '{"error":"Invalid token"}'},
        {"status": 404, "body": "{}"},
        {"close": "before"},
        {"status": 200, "body": "<html>"},
        {"status": 200, "body": "null"},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_a_failing_userli_defers_mail_and_never_refuses_it(forgetful_site, fault):
    site = forgetful_site
    site.stack.sandbox.set_faults({"match": "*/api/postfix/*", **fault})
    try:
        site.refused(STRANGER, "alice@example.org", 451)
        site.refused(STRANGER, "nobody@example.org", 451)
        site.refused(STRANGER, "info@example.org", 451)
    finally:
        site.stack.sandbox.clear_faults()
        site.stack.backend.wait_ready()
    wait_until(
        lambda: site.send(STRANGER, "alice@example.org")[1]["alice@example.org"][0]
        == 250,
        what="mail is accepted again",
    )


def test_mail_to_whom_the_backend_remembers_is_delivered_all_the_same(site):
    recipient = "bob@example.org"
    site.delivered(STRANGER, recipient, recipient)
    site.stack.sandbox.set_faults({"match": "*/api/postfix/*", "status": 500})
    try:
        site.delivered(STRANGER, recipient, recipient)
        site.refused(STRANGER, "never-seen@example.org", 451)
    finally:
        site.stack.sandbox.clear_faults()
        site.stack.backend.wait_ready()


def test_whatever_is_down_mail_is_deferred(fragile_site):
    """userli, then the backend too, then the frontend as well."""
    site = fragile_site
    recipients = ("alice@example.org", "info@example.org", "nobody@example.org")
    # Without a delimiter an extension is part of the name.
    site.refused(STRANGER, "alice+news@example.org", 550)
    site.delivered(STRANGER, "alice@example.org", "alice@example.org")
    for part in (site.stack.sandbox, site.stack.backend, site.stack.frontend):
        part.kill()
        for recipient in recipients:
            text = site.refused(STRANGER, recipient, 451)
            assert "4.3.0" in text, f"{part.name} down: {text}"
