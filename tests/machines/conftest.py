"""Tests that need a machine of their own: containers, Debian roots.

tests/run docker, packages and fresh run them; tests/run alone does not.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.process import Keeper  # noqa: E402


@pytest.fixture
def keeper():
    keeper = Keeper()
    yield keeper
    keeper.finish()
