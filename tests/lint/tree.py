"""The files that lint looks at, and the flags they are compiled with."""

import fnmatch
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ["libuv", "libmicrohttpd", "libcurl", "jansson", "libxxhash", "msgpack"]
PROGRAM_FOLDERS = ("common/", "frontend/", "backend/", "tests/sandbox/")


class Tree:
    """A checkout: what git tracks or would track, or every file without git."""

    def __init__(self, root=ROOT):
        self.root = Path(root).resolve()
        self.files = sorted(self._git() or self._walk())

    def _git(self):
        if not (self.root / ".git").exists():
            return None
        got = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root, capture_output=True, text=True)
        if got.returncode != 0:
            return None
        return {f for f in got.stdout.split("\0") if f and (self.root / f).is_file()}

    def _walk(self):
        found = set()
        for folder, folders, files in os.walk(self.root):
            folders[:] = [f for f in folders if f not in (".git", "__pycache__", ".pytest_cache")
                          and not f.startswith("build")]
            found.update(os.path.relpath(os.path.join(folder, f), self.root) for f in files)
        return found

    def matching(self, *patterns):
        return [f for f in self.files if any(fnmatch.fnmatch(f, p) for p in patterns)]

    def sources(self):
        return self.matching("*.c", "*.h")

    def program_sources(self):
        return [f for f in self.matching("*.c") if f.startswith(PROGRAM_FOLDERS)]

    def text(self, name):
        return (self.root / name).read_text(encoding="utf-8", errors="replace")

    def scripts(self):
        """Shell scripts, by their first line."""
        def is_shell(name):
            with open(self.root / name, "rb") as f:
                head = f.readline(80)
            return head.startswith(b"#!") and (b"bash" in head or head.split()[0].endswith(b"/sh"))
        return [f for f in self.files if is_shell(f)]


def compile_flags():
    """What every source is compiled with, but for warnings."""
    flags = subprocess.run(["pkg-config", "--cflags", *LIBRARIES], capture_output=True,
                           text=True, check=True).stdout.split()
    return ["-std=c11", "-I.", "-Ifrontend/socketmap", "-D_GNU_SOURCE", '-DPROJECT_VERSION="0"', *flags]


def problems_of_each(command, items, cwd):
    """Run command(item) for every item, in parallel; the output of those that fail."""
    def run(item):
        got = subprocess.run(command(item), cwd=cwd, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                             errors="replace")
        if got.returncode == 0:
            return None
        return got.stdout.strip() or f"{item}: {command(item)[0]} exits {got.returncode}"
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [text for text in pool.map(run, items) if text]
