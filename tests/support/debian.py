"""debian - minimal Debian roots, made with debootstrap from this host's mirrors.

For tests of what runs on other machines: a root is a folder to chroot into, or
an image to build upon.  apt in it is configured as on this host; nothing of
that is in the repository.  Needs root; a root takes a minute, so the packed
one is kept below build/ and used again.
"""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from support.daemons import REPOSITORY

SUITE = "bookworm"
APT = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What Debian's own slim images leave out, and what no image should hold.
DROPPED = (
    "usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale",
    "var/cache/apt", "var/lib/apt/lists", "var/log",
)
# Of the host's apt: where packages come from and how, not what it installs.
CONFIGURATION = ("sources.list", "sources.list.d", "auth.conf.d", "preferences.d",
                 "trusted.gpg.d", "apt.conf.d")
MAKE_TIMEOUT = 1200  # seconds
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
}


def failed(command, result):
    """The error of a command that should not have failed."""
    return AssertionError(
        f"{command}\nexit status {result.returncode}\n{result.stdout[-6000:]}")


def why_not():
    """Why no root can be made here, or None."""
    if os.geteuid() != 0:
        return "debootstrap runs as root only"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed"
    return None


def _mirror():
    """The first mirror of apt's configuration that has the suite."""
    texts = [p.read_text() for p in [APT / "sources.list", *APT.glob("sources.list.d/*")]
             if p.is_file()]
    for text in texts:
        lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        for pattern in (rf"(?m)^URIs: *(\S+)\n(?:.*\n)*?Suites:.*\b{SUITE}\b",
                        rf"(?m)^deb +(?:\[.*?\] +)?(\S+) +{SUITE} "):
            found = re.search(pattern, lines)
            if found:
                return found[1]
    return "http://deb.debian.org/debian"


def _recipe():
    """What a packed root depends on, as a short text."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in CONFIGURATION:
        for path in sorted([APT / name, *(APT / name).rglob("*")]):
            if path.is_file():
                digest.update(path.read_bytes())
    return f"{SUITE}-{platform.machine()}-{digest.hexdigest()[:12]}"


def _configure_apt(root):
    for name in CONFIGURATION:
        source, target = APT / name, root / "etc/apt" / name
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        elif source.is_file():
            shutil.copy(source, target)
        elif target.is_file():
            target.unlink()
    (root / "etc/apt/apt.conf.d/99tests").write_text('APT::Sandbox::User "root";\n')


def packed_root():
    """The tar file of a minimal root."""
    packed = REPOSITORY / "build" / "machines" / f"{_recipe()}.tar"
    if packed.exists():
        return packed
    packed.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ub-root-", dir=packed.parent) as folder:
        root = Path(folder, "root")
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}", SUITE, root, _mirror()],
            check=True, timeout=MAKE_TIMEOUT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        for name in DROPPED:
            for path in (root / name).iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        _configure_apt(root)
        for name in ("resolv.conf", "hostname", "machine-id"):
            (root / "etc" / name).unlink(missing_ok=True)
        partial = Path(folder, "partial")
        subprocess.run(["tar", "-C", root, "-cf", partial, "."], check=True)
        partial.rename(packed)
    return packed


def recipe_tag():
    return _recipe()


class Root:
    """An unpacked root, to run commands in; in mount and process namespaces of
    its own, so that nothing that runs there outlives its command."""

    def __init__(self, folder):
        self.path = Path(folder)
        subprocess.run(["tar", "-C", self.path, "-xf", packed_root()], check=True)
        self.path.chmod(0o755)
        shutil.copy("/etc/resolv.conf", self.path / "etc/resolv.conf")
        shutil.copy("/etc/hosts", self.path / "etc/hosts")

    def run(self, command, check=True, timeout=600, **environment):
        """A shell command; (exit status, all its output)."""
        script = (
            'set -e; mount -t proc proc "$1/proc"; mount -t tmpfs tmpfs "$1/dev/shm"; '
            'mount -t devpts -o ptmxmode=0666 devpts "$1/dev/pts"; '
            'exec chroot "$1" /bin/bash -c "$2"'
        )
        for name in ("shm", "pts"):
            (self.path / "dev" / name).mkdir(exist_ok=True)
        result = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc",
             "/bin/sh", "-c", script, "sh", self.path, command],
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=timeout, check=False,
        )
        if check and result.returncode != 0:
            raise failed(command, result)
        return result.returncode, result.stdout


@contextlib.contextmanager
def unpacked_root():
    """A Root that is removed at the end."""
    (REPOSITORY / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="ub-root-", dir=REPOSITORY / "build") as folder:
        yield Root(folder)
