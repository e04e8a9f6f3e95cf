"""Every allocation fails once: the right answer, TEMP, or a clean end.

By default one allocation of each call stack fails; --full fails every single
one, which takes minutes: tests/run asan -- --full -k each_allocation
"""

import pytest

from support.allocations import (
    BackendLife,
    BackendQueryLife,
    FrontendLife,
    FrontendQueryLife,
    LibraryLife,
    Trials,
    one_of_each,
)

SHOWN = 5  # failures of one kind that are reported in full


@pytest.mark.once
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "kind",
    [FrontendLife, BackendLife, FrontendQueryLife, BackendQueryLife, LibraryLife],
    ids=lambda kind: kind.__name__,
)
def test_each_allocation_fails_once(kind, module_stack, tmp_path, full, capsys):
    trials = Trials(kind, module_stack, tmp_path)
    calls = trials.record()
    assert calls
    if full:
        trials.run({"at": call.number} for call in calls)
    else:
        trials.run({"site": call.site} for call in one_of_each(calls))
    with capsys.disabled():
        print(
            f"\n{kind.__name__}: {len(calls)} allocations, {trials.hits} of"
            f" {trials.lives} lives with a failure: {dict(trials.outcomes)}"
        )
    assert not trials.failures, f"{len(trials.failures)} failures, such as\n" + (
        "\n\n".join(trials.failures[:SHOWN])
    )
    # What a timer asks for may not come in every life.
    assert trials.hits >= 0.9 * trials.lives
