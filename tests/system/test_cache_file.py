"""CACHE_FILE: after a restart a backend knows what it knew, and nothing else."""

import random
import signal
import stat
import time

import pytest
from support.daemons import BUILD_DIR
from support.directory import LISTS, alias, sample_directory, write_directory
from support.frames import OUTCOMES, RawReq, call_frame, lookup_call, unpack
from support.wait import wait_until

EX_TEMPFAIL = 75
FRESH, CACHED, STALE = 0, 1, 2
FAILURES = "userli_postfix_adapter_cache_file_failures_total"
LOADED = "userli_postfix_adapter_cache_file_loaded_entries"
SAVED = "userli_postfix_adapter_cache_file_saved_entries"
SAVED_AT = "userli_postfix_adapter_cache_file_saved_timestamp_seconds"

# What is kept of these: the domain's own answer comes with them.
WARM = [f"list{n}@example.org" for n in range(LISTS)]
KEPT = LISTS + 1


def value_of(key):
    return key.replace("list", "member")


class Answer:
    def __init__(self, result):
        self.outcome = OUTCOMES[result.get(2, 0)]
        data = result.get(3, b"")
        self.data = data if isinstance(data, str) else data.decode()
        self.source = result.get(4, FRESH)
        self.age = result.get(5, 0) / 1000


def ask(backend, keys, name="alias"):
    """{key: Answer} of a backend."""
    calls = [lookup_call(n, name, key.encode()) for n, key in enumerate(keys)]
    answers = {}
    with RawReq(backend.urls[0]) as peer:
        peer.send(1, call_frame(*calls))
        while len(answers) < len(keys):
            for result in unpack(peer.receive()[1])[2]:
                answers[keys[result[1]]] = Answer(result)
    return answers


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir(mode=0o700)
    return folder / "cache"


@pytest.fixture
def keeping(backend, place):
    """keeping(userli_url, SETTING=…) starts a backend that keeps its answers."""

    def start(userli_url, **settings):
        settings = {"LOOKUP_CACHE_TTL": None, "CACHE_FILE": place, **settings}
        return backend(userli_url, **settings)

    return start


def failures(backend, operation):
    return backend.metrics().value(FAILURES, operation=operation)


def files(place):
    return sorted(entry.name for entry in place.parent.iterdir())


def assert_warm(answers, source=CACHED):
    for key, answer in answers.items():
        assert (answer.outcome, answer.data) == ("OK", value_of(key))
        assert answer.source == source


def stop(program):
    assert program.stop() == 0


def test_a_restart_with_userli_down_still_answers(sandbox, keeping, place):
    userli = sandbox()
    first = keeping(userli.url, LOOKUP_NEGATIVE_TTL="1h")
    began = time.monotonic()
    assert_warm(ask(first, WARM), FRESH)
    absent = ask(first, ["nobody@example.org"], "mailbox")
    assert absent["nobody@example.org"].outcome == "NOTFOUND"
    told = time.monotonic()
    stop(first)
    stop(userli)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert files(place) == ["cache"]

    second = keeping(userli.url, LOOKUP_NEGATIVE_TTL="1h")
    assert second.metrics().value(LOADED) == KEPT + 1
    least = time.monotonic() - told
    answers = ask(second, WARM)
    assert_warm(answers)
    for answer in answers.values():  # as old as it is
        # The wall clock, which tells the age, may be slewed a little.
        assert least - 0.5 <= answer.age <= time.monotonic() - began + 0.5
    absent = ask(second, ["nobody@example.org"], "mailbox")["nobody@example.org"]
    assert (absent.outcome, absent.source) == ("NOTFOUND", CACHED)
    cold = ask(second, ["one@example.org"])["one@example.org"]
    assert cold.outcome == "TEMP"


def test_what_has_expired_is_told_as_stale_or_not_at_all(sandbox, keeping):
    settings = {"LOOKUP_CACHE_TTL": "200ms", "LOOKUP_NEGATIVE_TTL": "200ms"}
    userli = sandbox()
    first = keeping(userli.url, **settings)
    assert_warm(ask(first, WARM), FRESH)
    ask(first, ["nobody@example.org"])
    stop(first)
    stop(userli)
    told = time.monotonic()
    second = keeping(userli.url, **settings)
    wait_until(lambda: time.monotonic() > told + 0.3, what="all has expired")
    assert_warm(ask(second, WARM), STALE)
    assert ask(second, ["nobody@example.org"])["nobody@example.org"].outcome == "TEMP"
    stop(second)
    third = keeping(userli.url, LOOKUP_STALE_TTL="100ms", **settings)
    assert third.metrics().value(LOADED) == 0
    assert ask(third, WARM[:1])[WARM[0]].outcome == "TEMP"


def test_a_crash_loses_only_what_was_not_yet_saved(sandbox, keeping):
    userli = sandbox()
    first = keeping(userli.url, CACHE_FILE_INTERVAL="100ms")
    ask(first, WARM)
    wait_until(lambda: first.metrics().value(SAVED) == KEPT, what="all are saved")
    assert abs(first.metrics().value(SAVED_AT) - time.time()) < 60
    first.kill()
    stop(userli)
    second = keeping(userli.url)
    assert_warm(ask(second, WARM))


DAMAGES = {
    "cut": lambda data: data[: len(data) // 2],
    "without its end": lambda data: data[:-1],
    "with more after its end": lambda data: data + b"\0",
    "with a bit flipped": lambda data: data[:-300]
    + bytes([data[-300] ^ 1])
    + data[-299:],
    "of another version": lambda data: data[:8] + b"\xff" + data[9:],
    "of something else": lambda data: b"#!/bin/sh\n" * 100,
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside(sandbox, keeping, place, damage):
    userli = sandbox()
    first = keeping(userli.url)
    ask(first, WARM)
    stop(first)
    bad = DAMAGES[damage](place.read_bytes())
    place.write_bytes(bad)
    second = keeping(userli.url)
    (event,) = second.find_events(
        "cache file is damaged: set aside as .damaged, starting without"
    )
    assert event["level"] == "warn" and str(place) in event["error"]
    assert files(place) == ["cache.damaged"]
    assert (place.parent / "cache.damaged").read_bytes() == bad
    assert second.metrics().value(LOADED) == 0
    assert failures(second, "load") == 1
    assert_warm(ask(second, WARM), FRESH)
    stop(second)
    assert keeping(userli.url).metrics().value(LOADED) == KEPT


def test_nothing_is_taken_that_others_may_have_written(sandbox, keeping, place):
    userli = sandbox()
    first = keeping(userli.url)
    ask(first, WARM)
    stop(first)
    place.chmod(0o644)
    second = keeping(userli.url)
    (event,) = second.find_events(
        "others may read the cache file, which holds addresses: chmod 600"
    )
    assert event["level"] == "warn"
    assert second.metrics().value(LOADED) == KEPT
    stop(second)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    place.chmod(0o620)
    third = keeping(userli.url)
    (event,) = third.find_events("cache file not taken, starting without")
    assert "others may write" in event["error"]
    assert third.metrics().value(LOADED) == 0
    assert failures(third, "load") == 1


def test_answers_of_another_userli_are_not_taken(sandbox, keeping):
    userli, other = sandbox(), sandbox()
    first = keeping(userli.url)
    ask(first, WARM)
    stop(first)
    second = keeping(other.url)
    (event,) = second.find_events("cache file not taken, starting without")
    assert "USERLI_BASE_URL" in event["error"]
    assert second.metrics().value(LOADED) == 0
    assert_warm(ask(second, WARM), FRESH)


def test_a_directory_that_does_not_do_is_told_and_lookups_go_on(
    sandbox, keeping, tmp_path
):
    missing = tmp_path / "missing"
    settings = {"CACHE_FILE": missing / "cache", "CACHE_FILE_INTERVAL": "100ms"}
    userli = sandbox()
    backend = keeping(userli.url, **settings)
    (event,) = backend.find_events("CACHE_FILE is in an unfit directory")
    assert event["level"] == "warn" and str(missing) in event["error"]
    event = backend.wait_event("cache not saved, the file of last time stays")
    assert event["level"] == "warn" and str(missing) in event["error"]
    assert failures(backend, "save") >= 1
    assert backend.metrics().value(SAVED_AT) == 0
    assert_warm(ask(backend, WARM), FRESH)
    missing.mkdir(mode=0o700)
    wait_until(lambda: backend.metrics().value(SAVED) == KEPT, what="it is saved")
    (missing / "cache").unlink()
    missing.rmdir()
    before = failures(backend, "save")
    wait_until(lambda: failures(backend, "save") > before, what="it is gone again")
    stop(backend)  # and that is no reason to end otherwise


def test_a_dead_disk_delays_no_lookup_and_the_end_not_for_ever(
    sandbox, keeping, place, tmp_path
):
    hang = tmp_path / "hang"
    settings = {
        "LD_PRELOAD": BUILD_DIR / "tests" / "hang_fsync.so",
        "HANG_FSYNC": hang,
        "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
        "CACHE_FILE_INTERVAL": "100ms",
        "SHUTDOWN_TIMEOUT": "1s",
    }
    userli = sandbox()
    backend = keeping(userli.url, **settings)
    ask(backend, WARM)
    wait_until(lambda: backend.metrics().value(SAVED) == KEPT, what="it is saved")
    hang.touch()
    backend.wait_event("cache is still being saved: is the disk slow?")
    assert_warm(ask(backend, WARM))
    complete = place.read_bytes()
    backend.exit_codes = (EX_TEMPFAIL,)
    backend.signal(signal.SIGTERM)
    assert backend.wait() == EX_TEMPFAIL
    assert place.read_bytes() == complete
    hang.unlink()
    second = keeping(userli.url)
    assert second.metrics().value(LOADED) == KEPT
    assert files(place) == ["cache"]  # what was half written is swept away


def test_a_kill_while_it_is_written_leaves_the_file_of_before(
    sandbox, keeping, place, tmp_path
):
    kept = 121
    keys = [f"big{n}@example.org" for n in range(kept - 1)]
    long = [f"{'m' * 50}{n}@example.org" for n in range(1300)]
    directory = sample_directory(aliases=[alias(key, *long) for key in keys])
    userli = sandbox(directory=write_directory(tmp_path, directory))
    keeping_settings = {"CACHE_FILE_INTERVAL": "100ms", "LOOKUP_CACHE_TTL": "1h"}
    backend = keeping(userli.url, **keeping_settings)
    for key in keys:
        ask(backend, [key])
    wait_until(
        lambda: backend.metrics().value(SAVED) == kept, what="all are saved"
    )
    dice = random.Random(20)
    interrupted = 0
    for _ in range(25):
        until = time.monotonic() + dice.uniform(0, 0.12)
        wait_until(lambda until=until: time.monotonic() > until, interval=0.001)
        backend.kill()
        assert set(files(place)) <= {"cache", "cache.tmp"}
        interrupted += "cache.tmp" in files(place)
        backend = keeping(userli.url, **keeping_settings)
        assert backend.metrics().value(LOADED) == kept
        answer = ask(backend, keys[:1])[keys[0]]
        assert (answer.outcome, answer.source) == ("OK", CACHED)
        assert answer.data == ",".join(long)
    assert interrupted, "no kill has met a file being written: the test is void"


def test_without_a_cache_there_is_no_file(sandbox, keeping, place):
    userli = sandbox()
    backend = keeping(userli.url, LOOKUP_CACHE_TTL="0")
    assert backend.find_events("CACHE_FILE is not used: LOOKUP_CACHE_TTL is 0")
    ask(backend, WARM)
    stop(backend)
    assert files(place) == []
