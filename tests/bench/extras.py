"""extras - what grows, what stays apart, what it weighs.

Each returns what it measured and a text to print.
"""

import statistics

import load
import report
import servers
from support.daemons import Backend, Frontend, Sandbox
from support.directory import sample_directory, write_directory
from support.weight import (
    Started,
    cpu_seconds,
    idle_connection_bytes,
    raise_files,
    resident_bytes,
)

MIB = 1024 * 1024
CLIENTS = 64
DELAY_MS = 2000
ISOLATED_CLIENTS = 16
LONG_LOOKUPS = 50_000_000
LONG_KEYS = 10_000


def sample(address, clients, seconds, parts, *options):
    """One row of a table of growth."""
    before = {name: cpu_seconds(p) for name, p in parts.items()}
    child = load.start(address, clients, seconds, *options, "--expect", "ok")
    figures = load.finish(child, may_fail=True)
    done = figures["all"]["count"]
    return {
        "per_second": figures["per_second"],
        "p50_ms": figures["all"]["p50_ms"],
        "p99_ms": figures["all"]["p99_ms"],
        "not_ok": figures["wrong"] + figures["lost"],
        "cpu_us": {
            name: (cpu_seconds(p) - before[name]) * 1e6 / done
            for name, p in parts.items()
        },
        "mib": {name: resident_bytes(p) / MIB for name, p in parts.items()},
    }


def median_row(n, rows):
    """The medians of several rows."""

    def of(pick):
        return statistics.median(pick(row) for row in rows)

    parts = list(rows[0]["cpu_us"])
    return {
        "n": n,
        **{k: of(lambda r, k=k: r[k]) for k in ("per_second", "p50_ms", "p99_ms")},
        "not_ok": sum(row["not_ok"] for row in rows),
        "cpu_us": {p: of(lambda r, p=p: r["cpu_us"][p]) for p in parts},
        "mib": {p: of(lambda r, p=p: r["mib"][p]) for p in parts},
    }


def in_rounds(options, counts, measure):
    """Rows by count, each the median of rounds that take turns."""
    rows = {n: [] for n in counts}
    for _ in range(options.rounds):
        for n in counts:
            rows[n].append(measure(n))
    return [median_row(n, rows[n]) for n in counts]


# --- Growth -----------------------------------------------------------------


def pool(keeper, folder, options, say):
    """More backends: what the frontend's choice among them costs."""
    del folder
    fronts = {}
    counts = (1, 3, 10) if options.smoke else (1, 3, 10, 100)
    for n in counts:
        echoes = keeper.add(servers.echo_backends(n))
        fronts[n] = keeper.add(Frontend(echoes.urls)).wait_ready()
    say(f"pools of {counts}")
    rows = in_rounds(
        options,
        counts,
        lambda n: sample(
            fronts[n].address, CLIENTS, options.seconds, {"frontend": fronts[n]},
            "--warmup", "200ms",
        ),  # fmt: skip
    )
    title = f"backends in the pool (echoes, {CLIENTS} clients)"
    return rows, report.growth(title, "backends", rows)


def connections(keeper, folder, options, say):
    """More connections, all of them busy."""
    del folder
    counts = (10, 1000) if options.smoke else (10, 1000, 10000)
    counts = [n for n in counts if raise_files(n + 100)]
    echoes = keeper.add(servers.echo_backends(1))
    front = keeper.add(
        Frontend(echoes.urls, SOCKETMAP_MAX_CONNECTIONS=20000)
    ).wait_ready()
    say(f"connections: {counts}")
    rows = in_rounds(
        options,
        counts,
        lambda n: sample(
            front.address, n, options.seconds, {"frontend": front}, "--range", 100000
        ),
    )
    title = "connections, all of them asking (an echo backend)"
    return rows, report.growth(title, "connections", rows)


def cache(keeper, folder, options, say):
    """More entries, asked for at random."""
    counts = (1000, 10000) if options.smoke else (1000, 10000, 100000, 1000000)
    stub = keeper.add(servers.Nginx(folder / "nginx"))
    backend = keeper.add(
        Backend(
            stub.url, LOOKUP_CACHE_TTL="24h", CACHE_MAX_BYTES="1GiB",
            USERLI_MAX_REQUESTS=256, USERLI_QUEUE_TIMEOUT="10s",
        )
    ).wait_ready()  # fmt: skip
    front = keeper.add(Frontend(backend.urls)).wait_ready()
    parts = {"frontend": front, "backend": backend}
    rows = []
    for n in counts:
        say(f"a cache of {n} entries")
        load.count(front.address, CLIENTS, n, "--range", n, "--expect", "ok")
        rows.append(
            median_row(
                n,
                [
                    sample(
                        front.address, CLIENTS, options.seconds, parts, "--random",
                        "--range", n, "--warmup", "200ms",
                    )
                    for _ in range(options.rounds)
                ],
            )
        )  # fmt: skip
    title = f"entries in the backend's cache (asked at random, {CLIENTS} clients)"
    return rows, report.growth(title, "entries", rows)


# --- Isolation --------------------------------------------------------------


def isolation(keeper, folder, options, say):
    """Cached lookups while another map's answers are seconds late."""
    directory = write_directory(folder, sample_directory())
    sandbox = keeper.add(Sandbox(directory))
    backend = keeper.add(
        Backend(sandbox.url, LOOKUP_CACHE_TTL="1h", USERLI_TIMEOUT="10s")
    ).wait_ready()
    front = keeper.add(Frontend(backend.urls)).wait_ready()
    keys = ("--key", "list%d@example.org", "--range", 100)
    load.count(front.address, 4, 100, *keys, "--expect", "ok")
    sandbox.set_faults({"match": "*/mailbox/*", "delay_ms": DELAY_MS})
    say(f"isolation: mailboxes {DELAY_MS} ms late")

    def cached():
        return load.run(
            front.address, ISOLATED_CLIENTS, options.seconds, *keys, "--warmup",
            "200ms", "--expect", "ok",
        )["all"]["p99_ms"]  # fmt: skip

    calm, troubled = [], []
    for _ in range(options.rounds):
        calm.append(cached())
        late = load.start(
            front.address, ISOLATED_CLIENTS, options.seconds + 0.4, "--map", "mailbox",
            "--key", "late%d@example.org", "--range", 100000000,
        )  # fmt: skip
        troubled.append(cached())
        load.finish(late, may_fail=True)
    ratio = statistics.median(t / c for t, c in zip(troubled, calm))
    found = {
        "calm_p99_ms": statistics.median(calm),
        "troubled_p99_ms": statistics.median(troubled),
        "ratio": ratio,
    }
    rows = [
        ("p99 undisturbed", found["calm_p99_ms"], None, "ms"),
        ("p99 beside late lookups", found["troubled_p99_ms"], None, "ms"),
        ("ratio", ratio, 1.5, ""),
    ]
    title = (
        f"cached lookups, {ISOLATED_CLIENTS} clients, while as many wait "
        f"{DELAY_MS / 1000:g} s for another map"
    )
    return found, report.figures(title, rows)


# --- Weight -----------------------------------------------------------------


def weight(keeper, folder, options, say):
    """Memory after the start and for each idle connection; time to start."""
    directory = write_directory(folder, sample_directory())
    sandbox = keeper.add(Sandbox(directory))
    count = 1000 if options.smoke or not raise_files(10100) else 10000
    say(f"weight, with {count} idle connections")
    backend = keeper.add(Backend(sandbox.url, LOOKUP_CACHE_TTL="1h")).wait_ready()
    front = keeper.add(Frontend(backend.urls)).wait_ready()
    found = {
        "frontend_mib": resident_bytes(front) / MIB,
        "backend_mib": resident_bytes(backend) / MIB,
        "idle_connection_bytes": idle_connection_bytes(front, count),
    }
    starts = []
    for i in range(options.rounds):
        place = folder / f"start{i}"
        place.mkdir()
        starts.append(Started(keeper, place, sandbox.url, "one@example.org"))
        starts[-1].frontend.stop()
        starts[-1].backend.stop()
    found["start_ms"] = statistics.median(s.seconds for s in starts) * 1000
    rows = [
        ("frontend after its start", found["frontend_mib"], 8.0, "MiB"),
        ("backend after its start", found["backend_mib"], 16.0, "MiB"),
        (f"a connection, {count} of them idle", found["idle_connection_bytes"],
         2048.0, "bytes"),
        ("both started, to the first answer", found["start_ms"], 100.0, "ms"),
    ]  # fmt: skip
    return found, report.figures("weight", rows)


def long(keeper, folder, options, say):
    """Memory over 50 million lookups, in ten parts."""
    lookups = LONG_LOOKUPS // 1000 if options.smoke else LONG_LOOKUPS
    stub = keeper.add(servers.Nginx(folder / "nginx"))
    backend = keeper.add(Backend(stub.url, LOOKUP_CACHE_TTL="24h")).wait_ready()
    front = keeper.add(Frontend(backend.urls)).wait_ready()
    rows = []
    for part in range(11):
        if part > 0:
            figures = load.count(
                front.address, CLIENTS, lookups // 10, "--range", LONG_KEYS, "--zipf",
                "1.01", "--seed", part, "--expect", "ok",
            )  # fmt: skip
            say(f"{part * lookups // 10} lookups, {figures['per_second']:.0f}/s")
        else:
            load.count(front.address, CLIENTS, LONG_KEYS, "--range", LONG_KEYS)
        rows.append({
            "lookups": part * lookups // 10,
            "frontend_mib": resident_bytes(front) / MIB,
            "backend_mib": resident_bytes(backend) / MIB,
        })  # fmt: skip
    columns = [("lookups", ",d"), ("frontend MiB", ".2f"), ("backend MiB", ".2f")]
    text = report.table(columns, [tuple(row.values()) for row in rows])
    return rows, f"resident memory, {CLIENTS} clients\n\n{text}\n"


EXTRAS = {
    "pool": pool,
    "connections": connections,
    "cache": cache,
    "isolation": isolation,
    "weight": weight,
}
LONG = long
