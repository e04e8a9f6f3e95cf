"""load - userli-bridge bench as the cases use it."""

import json
import subprocess

from support.daemons import program_path

BENCH = [str(program_path("userli-bridge")), "bench", "--json", "--quiet"]


def start(address, clients, seconds, *options):
    """Begin; finish() has the report."""
    argv = [*BENCH, "-a", address, "-c", clients, "-d", f"{int(seconds * 1000)}ms"]
    argv += ["--timeout", "30s", *options]
    return subprocess.Popen(
        [str(arg) for arg in argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(child, may_fail=False):
    out, err = child.communicate()
    if child.returncode != 0 and not may_fail:
        raise AssertionError(f"bench ended with {child.returncode}: {err}{out}")
    return json.loads(out)


def run(address, clients, seconds, *options):
    return finish(start(address, clients, seconds, *options))


def count(address, clients, number, *options):
    """So many requests, however long they take."""
    argv = [*BENCH, "-a", address, "-c", clients, "-n", number, *options]
    return finish(
        subprocess.Popen(
            [str(arg) for arg in argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
