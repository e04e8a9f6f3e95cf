"""report - what was measured, as text and JSON, beside what was expected."""

import json
import os
import platform
from pathlib import Path

EXPECTED = Path(__file__).with_name("expected.json")


def machine():
    """In general terms."""
    return f"{os.cpu_count()} cores, {platform.machine()}, generator included"


def table(columns, rows):
    """Aligned text; columns are (title, format)."""
    cells = [[title for title, _ in columns]]
    cells += [
        ["" if v is None else format(v, f) for v, (_, f) in zip(row, columns)]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.rjust(w) for cell, w in zip(line, widths)) for line in cells
    )


def load_expected():
    return json.loads(EXPECTED.read_text())


def pairs(title, name, rows, expected):
    wanted = expected.get(name, {})
    columns = [
        ("clients", "d"), ("answers/s", ",.0f"), ("floor/s", ",.0f"),
        ("ratio", ".2f"), ("least", ".2f"), ("most", ".2f"), ("at least", ".2f"),
        ("p99 ms", ".3f"),
    ]  # fmt: skip
    parts = list(rows[0]["cpu_us"])
    columns += [(f"{part} µs", ".2f") for part in parts]
    lines = [
        (
            row["clients"], row["per_second"], row["floor_per_second"], row["ratio"],
            row["ratio_least"], row["ratio_most"], wanted.get(str(row["clients"])),
            row["p99_ms"], *(row["cpu_us"][part] for part in parts),
        )  # fmt: skip
        for row in rows
    ]
    return f"{title}\n\n{table(columns, lines)}\n"


def growth(title, what, rows):
    """Throughput and p99 as something grows."""
    columns = [(what, ",d"), ("answers/s", ",.0f"), ("p50 ms", ".3f"),
               ("p99 ms", ".3f"), ("not OK", ",d"), ("frontend µs", ".2f"), ("backend µs", ".2f"),
               ("frontend MiB", ".1f"), ("backend MiB", ".1f")]  # fmt: skip
    lines = [
        (
            row["n"], row["per_second"], row["p50_ms"], row["p99_ms"], row["not_ok"],
            row["cpu_us"].get("frontend"), row["cpu_us"].get("backend"),
            row["mib"].get("frontend"), row["mib"].get("backend"),
        )  # fmt: skip
        for row in rows
    ]
    return f"{title}\n\n{table(columns, lines)}\n"


def figures(title, rows):
    """Names, values, units and limits."""
    columns = [("", "s"), ("measured", ",.2f"), ("limit", ",.2f"), ("", "s")]
    return f"{title}\n\n{table(columns, rows)}\n"


def misses(results, expected):
    """Ratios that are below what the file expects."""
    found = []
    for name, rows in results.get("pairs", {}).items():
        wanted = expected.get(name, {})
        for row in rows:
            want = wanted.get(str(row["clients"]))
            if want is not None and row["ratio"] < want:
                found.append(
                    f"{name}, {row['clients']} clients: {row['ratio']:.2f}, "
                    f"expected {want:.2f}"
                )
    return found
