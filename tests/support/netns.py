"""netns - a host behind a router, and a resolver of one's own (Linux, root).

Namespaces have no names: each lives as long as a process that does nothing, and
takes its interfaces with it.  What cannot be made raises Unavailable, with the
reason.
"""

import os
import socket
import subprocess

from support.wait import TimedOut

LIFE_S = 900  # of a namespace, should nobody end it


class Unavailable(Exception):
    """This machine does not let us."""


def _run(*command):
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{error.filename} is not installed") from None
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


class _Namespace:
    def __init__(self, keeper):
        try:
            self.holder = keeper.start(
                ["unshare", "--net", "sh", "-c", f"echo made; exec sleep {LIFE_S}"],
                name="network namespace",
                exit_codes=None,
            )
            self.holder.wait_output("made")
        except FileNotFoundError:
            raise Unavailable("unshare is not installed") from None
        except TimedOut:
            reason = "".join(self.holder.lines)
            raise Unavailable(f"no network namespaces: {reason}") from None
        self.launcher = ["nsenter", "--net", "--target", str(self.holder.pid)]
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command):
        _run(*self.launcher, *command)

    def write(self, path, text):
        self.run("sh", "-c", f"echo {text} >{path}")


class RoutedHost:
    """A host whose packets can be dropped, both ways, without a word.

    We are `near`; it is `far`, with a router between: while that does not
    forward, what is sent just vanishes.  launcher runs a program there.
    """

    def __init__(self, keeper):
        net = f"198.18.{os.getpid() % 250}"  # for tests of networks, RFC 2544
        link = f"ub{os.getpid()}"
        self.near, self.far = f"{net}.1", f"{net}.6"
        if os.geteuid() != 0:
            raise Unavailable("network namespaces need root")
        self._router = _Namespace(keeper)
        host = _Namespace(keeper)
        self.launcher = host.launcher
        _run(*self._veth(link, self._router))
        self._router.run(*self._veth("eth1", host))
        _run("ip", "address", "add", f"{net}.1/30", "dev", link)
        _run("ip", "link", "set", link, "up")
        for space, device, address in (
            (self._router, "eth0", f"{net}.2/30"),
            (self._router, "eth1", f"{net}.5/30"),
            (host, "eth0", f"{net}.6/30"),
        ):
            space.run("ip", "address", "add", address, "dev", device)
            space.run("ip", "link", "set", device, "up")
        _run("ip", "route", "add", f"{net}.4/30", "via", f"{net}.2")
        host.run("ip", "route", "add", "default", "via", f"{net}.5")
        self.heal()
        if not self._reachable():
            raise Unavailable("packets do not pass between network namespaces")

    @staticmethod
    def _veth(name, other):
        pair = ["ip", "link", "add", name, "type", "veth"]
        return [*pair, "peer", "name", "eth0", "netns", str(other.holder.pid)]

    def _reachable(self):
        """Whether a port that nobody listens on is refused, not silent."""
        try:
            socket.create_connection((self.far, 1), timeout=1).close()
        except TimeoutError:
            return False
        except ConnectionRefusedError:
            pass
        return True

    def cut(self):
        self._router.write("/proc/sys/net/ipv4/ip_forward", 0)

    def heal(self):
        self._router.write("/proc/sys/net/ipv4/ip_forward", 1)


def resolver_launcher(folder, nameserver):
    """What runs a program with a /etc/resolv.conf that names one server."""
    if os.geteuid() != 0:
        raise Unavailable("mount namespaces need root")
    (folder / "resolv.conf").write_text(
        f"nameserver {nameserver}\noptions timeout:2 attempts:1\n"
    )
    (folder / "nsswitch.conf").write_text("hosts: files dns\n")
    binds = " && ".join(
        f"mount --bind {folder}/{name} /etc/{name}"
        for name in ("resolv.conf", "nsswitch.conf")
    )
    launcher = ["unshare", "--mount", "sh", "-c", f'{binds} && exec "$@"', "sh"]
    _run(*launcher, "true")
    return launcher
