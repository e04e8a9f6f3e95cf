"""booted - a Debian root with systemd as its first process, in namespaces.

A machine to install packages on: its own processes, mounts, host name and
loopback network; nothing of it outlives stop().  Needs root.
"""

import subprocess
from pathlib import Path

from support.debian import ENVIRONMENT, failed
from support.wait import PATIENCE, wait_until

# What a container's manager does before it starts the container's init:
# https://systemd.io/CONTAINER_INTERFACE
BOOT = """
set -e
cd "$1"
mount --bind . .
cd "$1"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mount -t devpts devpts dev/pts -o newinstance,ptmxmode=0666
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
ip link set lo up
mkdir -p .outside
pivot_root . .outside
umount -l /.outside
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /lib/systemd/systemd --show-status=no --log-target=journal
"""
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup")


class Booted:
    """A debian.Root with systemd in it, running."""

    def __init__(self, root):
        self._unshare = subprocess.Popen(
            ["unshare", *NAMESPACES, "--fork", "--kill-child", "/bin/sh", "-c", BOOT, "sh",
             root.path],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        try:
            wait_until(self._is_up, what="systemd is up", interval=0.2)
        except BaseException:
            self.stop()
            raise

    def _init(self):
        """The pid, here, of its first process."""
        pid = self._unshare.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return children[0] if children else None

    def _is_up(self):
        if self._unshare.poll() is not None:
            raise AssertionError(f"it did not boot: {self._unshare.stderr.read().decode()}")
        _, text = self.run("systemctl is-system-running", check=False)
        if text.strip() == "degraded":
            raise AssertionError(self.run("systemctl --failed --no-pager --plain")[1])
        return text.strip() == "running"

    def run(self, command, check=True, timeout=PATIENCE):
        """A shell command; (exit status, all its output)."""
        init = self._init()
        if init is None:
            return 1, "not started yet"
        result = subprocess.run(
            ["nsenter", "--target", init, *NAMESPACES, "--root", "--wd",
             "/bin/bash", "-c", command],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout, check=False,
        )
        if check and result.returncode != 0:
            raise failed(command, result)
        return result.returncode, result.stdout

    def pid(self, unit):
        """The main process of a unit, as it is numbered there."""
        return int(self.run(f"systemctl show -P MainPID {unit}")[1])

    def wait_active(self, unit, timeout=PATIENCE):
        wait_until(lambda: self.run(f"systemctl is-active {unit}", check=False)[0] == 0,
                   timeout, f"{unit} is active", interval=0.2)

    def journal(self, unit):
        return self.run(f"journalctl --no-pager -o cat -u {unit}")[1]

    def stop(self):
        """End all of it at once."""
        self._unshare.kill()
        self._unshare.wait()
        self._unshare.stderr.close()
