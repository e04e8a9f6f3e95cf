"""No source is longer than a reader can hold."""

MAX = 500  # lines
MAX_CASES = 900  # a unit test is mostly tables of cases


def check(tree):
    problems = []
    for name in tree.matching("*.c", "*.h", "*.py"):
        lines = tree.text(name).count("\n")
        most = MAX_CASES if name.startswith("tests/unit/") else MAX
        if lines > most:
            problems.append(f"{name}: {lines} lines, more than {most}: find a seam")
    return problems


BAD = [("common/a.c", {"common/a.c": "\n" * (MAX + 1)}),
       ("test_a.c", {"tests/unit/test_a.c": "\n" * (MAX_CASES + 1)})]
GOOD = {"common/a.c": "\n" * MAX, "tests/unit/test_a.c": "\n" * MAX_CASES}
