"""tests/bench/run: it runs; how fast is for whoever runs it to see."""

import json

import pytest

from support.daemons import BUILD_DIR, REPOSITORY
from support.load import sanitizers
from support.process import run

RUN = REPOSITORY / "tests" / "bench" / "run"


@pytest.mark.alone  # it takes all processors
@pytest.mark.skipif(bool(sanitizers()), reason="it measures release builds")
def test_a_moment_of_each_case_runs(tmp_path):
    figures = tmp_path / "figures.json"
    argv = [RUN, "--smoke", "--build", BUILD_DIR, "--json", figures]
    status, out, err = run(argv, timeout=240)
    assert status == 0, out + err
    results = json.loads(figures.read_text())
    for case in ("socketmap", "cached", "fetch"):
        rows = results["pairs"][case]
        assert [row["clients"] for row in rows] == [1, 16, 64, 256]
        assert all(row["ratio"] > 0 for row in rows)
    assert [row["n"] for row in results["pool"]] == [1, 3, 10]
    assert results["isolation"]["ratio"] > 0
    assert "libsocketmap" in out and "µs" in out


def test_an_unknown_case_is_a_usage_error():
    status, _, err = run([RUN, "--build", BUILD_DIR, "nonsense"])
    assert status == 64 and "cached" in err
    status, _, err = run([RUN, "--frobnicate"])
    assert status == 64 and "usage" in err
