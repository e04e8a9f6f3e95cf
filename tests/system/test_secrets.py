"""Where a daemon's memory holds secrets, and where it does not any more."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.directory import TOKEN, sample_directory, write_directory
from support.load import sanitizers
from support.wait import wait_until

pytestmark = pytest.mark.skipif(
    bool(sanitizers()), reason="a sanitizer's runtime has a copy of the environment"
)

OLD = "old-token-0123456789"
NEW = "new-token-9876543210"
WEBHOOK = "the-secret-of-webhooks-42"


def memory(daemon):
    """(where, bytes) of all that the process may write to."""
    maps = Path(f"/proc/{daemon.pid}/maps").read_text().splitlines()
    with open(f"/proc/{daemon.pid}/mem", "rb", buffering=0) as mem:
        for line in maps:
            start, end, kind, name = re.match(
                r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line
            ).groups()
            at, size = int(start, 16), int(end, 16) - int(start, 16)
            # What a sanitizer reserves is larger than any secret's place.
            if not kind.startswith("rw") or size > 1 << 30:
                continue
            try:
                mem.seek(at)
                yield name, mem.read(size)
            except OSError:
                pass


def copies(daemon, secret):
    """How often it is there, by part of the memory."""
    found = {}
    for name, content in memory(daemon):
        count = content.count(secret.encode())
        if count > 0:
            found[name or "anonymous"] = found.get(name or "anonymous", 0) + count
    return found


def settled(daemon, secret, most):
    """Once no request is under way, its copies, at most so many."""
    return wait_until(
        lambda: (found := copies(daemon, secret), sum(found.values()) <= most)[1] and [found],
        what=f"at most {most} copies: now {copies(daemon, secret)}",
    )[0]


def ask_much(stack):
    """Many requests at once, so that each has had its own memory."""
    keys = [f"nobody{number}@example.org" for number in range(300)]
    with ThreadPoolExecutor(24) as askers:
        answers = askers.map(lambda key: stack.lookup("mailbox", key).status, keys)
        assert set(answers) == {"NOTFOUND"}


def test_a_token_of_the_environment_is_in_no_environment(stack):
    assert stack.lookup("domain", "example.org").status == "OK"
    daemon = stack.backend
    assert TOKEN not in Path(f"/proc/{daemon.pid}/environ").read_text()
    # In the settings, and as what requests are made of.
    found = settled(daemon, TOKEN, most=2)
    assert "[stack]" not in found
    # Reloads have it all the same.
    daemon.signal(signal.SIGHUP)
    daemon.wait_event("settings taken over")
    assert stack.lookup("mailbox", "alice@example.org").status == "OK"
    settled(daemon, TOKEN, most=3)


def test_a_frontend_that_is_given_secrets_has_none(make_stack):
    stack = make_stack(frontend={"USERLI_TOKEN": TOKEN, "WEBHOOK_SECRET": WEBHOOK})
    assert stack.lookup("domain", "example.org").status == "OK"
    assert copies(stack.frontend, TOKEN) == {}
    assert copies(stack.frontend, WEBHOOK) == {}


def accepting(*tokens):
    return sample_directory(tokens=[{"token": t, "scopes": ["postfix"]} for t in tokens])


def test_no_copy_of_an_old_token_outlives_a_reload(make_stack, tmp_path):
    secret = tmp_path / "token"
    secret.write_text(OLD)
    secret.chmod(0o600)
    stack = make_stack(
        backend={
            "USERLI_TOKEN": None,
            "USERLI_TOKEN_FILE": secret,
            "WEBHOOK_SECRET": WEBHOOK,
        },
        directory=write_directory(tmp_path, accepting(OLD)),
    )
    daemon = stack.backend
    ask_much(stack)
    settled(daemon, OLD, most=2)
    stack.sandbox.set_directory(accepting(NEW))
    for old, new in ((OLD, NEW), (NEW, OLD)):
        secret.write_text(new)
        taken = len(daemon.find_events("settings taken over"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_event("settings taken over", skip=taken)
        assert settled(daemon, old, most=0) == {}
        settled(daemon, new, most=2)
        # That is kept for good, in the settings of the start and of the reload.
        settled(daemon, WEBHOOK, most=2)
        stack.sandbox.set_directory(accepting(OLD))
