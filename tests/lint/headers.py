"""Every header compiles alone, with gcc and with clang."""

from tree import compile_flags, problems_of_each

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wstrict-prototypes", "-Werror"]


def check(tree):
    flags = compile_flags()
    pairs = [(compiler, header) for header in tree.matching("*.h") for compiler in ("gcc", "clang")]

    def command(pair):
        compiler, header = pair
        return [compiler, *flags, *WARNINGS, "-fsyntax-only", "-include", header,
                "-x", "c", "/dev/null"]
    return problems_of_each(command, pairs, tree.root)


BAD = [
    ("size_t", {"common/a.h": "#ifndef A_H\n#define A_H\nsize_t a_size(void);\n#endif\n"}),
    ("prototype", {"common/a.h": "#ifndef A_H\n#define A_H\nint a_old();\n#endif\n"}),
]
GOOD = {"common/a.h": "#ifndef A_H\n#define A_H\n#include <stddef.h>\nsize_t a_size(void);\n#endif\n"}
