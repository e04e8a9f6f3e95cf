"""Every system call that the daemons make fails once: the answer is right or an
honest failure, never a crash, a hang or a spin, and the next one is right.

--full fails each of them; without, a sample that is the same every time.
"""

import shutil
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.load import sanitizers
from support.one_fault import (
    Running,
    Start,
    ask_started_backend,
    ask_started_frontend,
    backend_settings,
    cases_of,
    frontend_settings,
)

AT_ONCE = 4
TIERS = ("frontend", "backend")
LOOKUP_CALLS_MAX = 60  # of one function in three lookups; a bound, no claim

not_for_threads = pytest.mark.skipif(
    "thread" in sanitizers(), reason="TSan is not made for preloaded functions"
)


def sampled(cases, full):
    """Of each function and error one call."""
    groups = {}
    for case in cases:
        groups.setdefault(case[:5], []).append(case)
    if full:
        return [case for group in groups.values() for case in group]
    return [
        group[zlib.crc32(repr(key).encode()) % len(group)]
        for key, group in groups.items()
    ]


def is_sampled(case):
    """Few of those that lose a link: it waits longer and longer each time."""
    if case.renews:
        return case.nth == 1 and case.error in ("EINTR", "EAGAIN", "ECONNRESET")
    return case.nth in (1, 3)


def complain(findings):
    assert not findings, "\n".join(f"{case}: {wrong}" for case, wrong in findings)


@pytest.fixture
def start(sandbox, backend):
    """start(tier, case) is a Start in a folder of its own."""
    userli_url = sandbox("--quiet").url
    backend_urls = backend(userli_url).wait_ready().urls

    def start(tier, case=None):
        folder = Path(tempfile.mkdtemp(prefix="ub-"))
        try:
            if tier == "backend":
                settings = backend_settings(userli_url, folder)
                return Start(case, folder, tier, settings, ask_started_backend)
            settings = frontend_settings(backend_urls, folder)
            return Start(case, folder, tier, settings, ask_started_frontend)
        finally:
            shutil.rmtree(folder)

    return start


@not_for_threads
@pytest.mark.parametrize("tier", TIERS)
def test_each_call_of_the_start_and_three_lookups_fails_once(start, tier, full):
    undisturbed = start(tier)
    assert not undisturbed.wrong, undisturbed.program.transcript()
    cases = sampled(cases_of(tier, undisturbed.after), full)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        starts = list(pool.map(lambda case: start(tier, case), cases))
    failed = sum(bool(each.said) for each in starts)
    met = sum(each.fired for each in starts)
    print(f"{len(cases)} starts, {met} met their fault, {failed} ended with a reason")
    assert met > len(cases) / 2
    complain([(each.case, each.wrong) for each in starts if each.wrong])


@not_for_threads
@pytest.mark.parametrize("tier", TIERS)
def test_each_call_of_three_lookups_fails_once(
    keeper, directory_file, tmp_path, tier, full
):
    running = Running(keeper, directory_file, tmp_path, tier)
    running.calls.disarm()
    count = {
        slot: (what, LOOKUP_CALLS_MAX)
        for slot, (what, _) in running.calls.calls().items()
    }
    findings, met, beyond = [], 0, set()
    for case in cases_of(tier, count):
        if case[:5] in beyond or not (full or is_sampled(case)):
            continue
        wrong, fired = running.meet(case)
        met += fired
        if not fired:
            beyond.add(case[:5])
        if wrong:
            findings.append((case, wrong))
        if not running.program.running:
            break
    print(f"{met} calls failed")
    complain(findings)
