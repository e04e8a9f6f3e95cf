"""cppcheck finds nothing in the programs' sources."""

import os
import platform
import subprocess

from tree import compile_flags

# What is not asked, and why.
SUPPRESSED = {
    "*:/usr/include/*": "other people's headers",
    "getpwnamCalled": "getpwnam_r() is for programs with a second thread that asks",
    "getgrnamCalled": "the same",
    "readdirCalled": "readdir_r() is deprecated, readdir(3)",
    "sizeofFunctionCall:frontend/cli/figures.c": "isnan() is a macro with sizeof",
}
# By these the C library's headers know how wide a long is.
MACHINE = [f"-D__{platform.machine()}__", "-D__LP64__"]


def check(tree):
    files = tree.program_sources()
    if not files:
        return []
    flags = [f for f in compile_flags() if f.startswith(("-I", "-D"))]
    got = subprocess.run(
        ["cppcheck", "--quiet", "--enable=warning,performance,portability",
         "--library=posix,gnu", "--std=c11", "--error-exitcode=1", "-I/usr/include",
         f"-j{os.cpu_count()}", "--template={file}:{line}: {severity}: {message} [{id}]",
         "--template-location=", *(f"--suppress={s}" for s in SUPPRESSED), *MACHINE, *flags,
         *files],
        cwd=tree.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace")
    if got.returncode == 0:
        return []
    return sorted(set(got.stdout.splitlines())) or [f"cppcheck exits {got.returncode}"]


BAD = [
    ("arrayIndexOutOfBounds",
     {"common/a.c": "int a(void);\nint a(void)\n{\n\tint b[2] = { 1, 2 };\n"
                    "\tint i = 2;\n\treturn b[i];\n}\n"}),
    ("resourceLeak",
     {"common/a.c": "#include <stdio.h>\nint a(void);\nint a(void)\n{\n"
                    "\tFILE *f = fopen(\"/dev/null\", \"re\");\n"
                    "\tint c = f != NULL ? fgetc(f) : 0;\n\treturn c;\n}\n"}),
    ("uninitvar",
     {"backend/a.c": "#include <utlist.h>\nstruct b { struct b *next; int c; };\n"
                     "int a(struct b *list);\nint a(struct b *list)\n{\n"
                     "\tstruct b *b;\n\tint c;\n\tLL_FOREACH (list, b) {\n\t\tif (b->c > c)\n"
                     "\t\t\tc = b->c;\n\t}\n\treturn c;\n}\n"}),
]
GOOD = {"common/a.c": "#include <inttypes.h>\n#include <stdio.h>\nvoid a(uint64_t b);\n"
                      "void\na(uint64_t b)\n{\n\tprintf(\"%\" PRIx64 \"\\n\", b);\n}\n"}
