"""markdown - what was measured, as README.md shows it."""

CASES = {
    "socketmap": "libsocketmap, constant map",
    "cached": "both tiers, in the backend's cache",
    "fetch": "both tiers, each asked of userli",
}
FLOORS = {
    "socketmap": "bare epoll echo",
    "cached": "bare frames echo",
    "fetch": "libcurl multi alone",
}


def thousands(rate):
    return f"{rate / 1000:.1f}k" if rate < 99950 else f"{rate / 1000:.0f}k"


def lines_of(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def pairs(results):
    """Lookups a second, and the ratio to the floor."""
    measured = results["pairs"]
    clients = [row["clients"] for row in next(iter(measured.values()))]
    rows = []
    for name, lines in measured.items():
        rates = [f"{thousands(r['per_second'])} ({r['ratio']:.2f})" for r in lines]
        rows.append([f"{CASES[name]} / {FLOORS[name]}", *rates])
    return lines_of(["lookups/s (ratio to the floor)", *map(str, clients)], rows)


def costs(results):
    """CPU microseconds of each tier, by clients."""
    measured = results["pairs"]
    clients = [row["clients"] for row in next(iter(measured.values()))]
    rows = []
    for name, lines in measured.items():
        for part in lines[0]["cpu_us"]:
            cells = [f"{row['cpu_us'][part]:.1f}" for row in lines]
            rows.append([f"{CASES[name]}: {part}", *cells])
    return lines_of(["CPU µs a lookup", *map(str, clients)], rows)


def growth(results, name, what):
    rows = results[name]
    table = [
        ["lookups/s", *(thousands(r["per_second"]) for r in rows)],
        ["p99 ms", *(f"{r['p99_ms']:.2f}" for r in rows)],
    ]
    for part in rows[0]["cpu_us"]:
        table.append([f"{part} CPU µs", *(f"{r['cpu_us'][part]:.1f}" for r in rows)])
    for part in rows[0]["mib"]:
        table.append([f"{part} MiB", *(f"{r['mib'][part]:.0f}" for r in rows)])
    return lines_of([what, *(f"{r['n']:,}" for r in rows)], table)


def weight(results):
    """What has a limit, beside it."""
    measured = results["weight"]
    rows = [
        ["frontend after its start", f"{measured['frontend_mib']:.1f} MiB", "8 MiB"],
        ["backend after its start", f"{measured['backend_mib']:.1f} MiB", "16 MiB"],
        [
            "an idle connection, of 10,000",
            f"{measured['idle_connection_bytes']:.0f} bytes",
            "2 KiB",
        ],
        [
            "from the start of both tiers to the first answer",
            f"{measured['start_ms']:.0f} ms",
            "100 ms",
        ],
    ]
    if "isolation" in results:
        rows.append([
            "p99 of cached lookups while another map's answers take 2 s, in "
            "proportion to an undisturbed run",
            f"{results['isolation']['ratio']:.2f}",
            "1.5",
        ])  # fmt: skip
    return lines_of(["", "measured", "at most"], rows)


def whole(results):
    lines = []
    if results["pairs"]:
        lines += pairs(results) + costs(results)
    for name, what in (
        ("pool", "backends"),
        ("connections", "connections, all asking"),
        ("cache", "answers remembered"),
    ):
        if name in results:
            lines += growth(results, name, what)
    if "weight" in results:
        lines += weight(results)
    return "\n".join(lines)
