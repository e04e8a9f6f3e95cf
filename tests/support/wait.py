"""wait - bounded waiting for things that happen in other processes.

Every wait of the suite ends: with the event, or with an error that says what
was waited for.  PATIENCE is generous, since sanitizer builds run on busy
machines; a test that passes never needs it.
"""

import os
import time

PATIENCE = float(os.environ.get("TEST_PATIENCE", "60"))  # seconds


class TimedOut(AssertionError):
    """What was waited for did not happen in time."""


def wait_until(condition, timeout=PATIENCE, what=None, interval=0.02):
    """Call condition until its result is true, and return that result."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= deadline:
            name = what or getattr(condition, "__name__", "the condition")
            raise TimedOut(f"not within {timeout:g} s: {name} (last: {result!r})")
        time.sleep(interval)
