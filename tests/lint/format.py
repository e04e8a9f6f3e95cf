"""clang-format would change nothing."""

from tree import ROOT, problems_of_each


def check(tree):
    style = f"--style=file:{ROOT / '.clang-format'}"
    return problems_of_each(
        lambda name: ["clang-format", "--dry-run", "-Werror", style, name],
        tree.sources(), tree.root)


BAD = [("common/a.c:1", {"common/a.c": "int a(void) { return 0; }\n"}),
       ("common/a.h:1", {"common/a.h": "struct a {\n    int b;\n};\n"})]
GOOD = {"common/a.c": "int\na(void)\n{\n\treturn 0;\n}\n"}
