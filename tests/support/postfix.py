"""postfix - a private Postfix instance: own configuration, queue, data, log.

Uses Debian's programs and nothing of /etc/postfix.  Needs root, as Postfix
itself does.  Nothing is left when it has been stopped.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from support.wait import PATIENCE, wait_until

# chroot off but where Debian's packages have it on, and a test wants it: the
# sinks lie outside the queue directory.
MASTER_CF = """\
127.0.0.1:{port} inet n - {chroot} - - smtpd
cleanup   unix n - {chroot} - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - {chroot} - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
lmtp      unix - - n - - lmtp
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
showq     unix n - n - - showq
postlog   unix-dgram n - n - 1 postlogd
"""


def why_not():
    """Why Postfix cannot be tested here, or None."""
    if os.geteuid() != 0:
        return "Postfix starts as root only"
    for program in ("postfix", "postmap", "postconf"):
        if not shutil.which(program, path=search_path()):
            return f"{program} is not installed (Debian package postfix)"
    maps = subprocess.run(
        ["postconf", "-c", "/nonexistent", "-m"],
        env={"PATH": search_path()},
        capture_output=True,
        check=False,
    )
    if maps.returncode == 0 and b"socketmap" not in maps.stdout:
        return "this Postfix has no socketmap"
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        return "there is no user postfix"
    return None


def search_path():
    return "/usr/sbin:/usr/bin:/sbin:/bin"


def tool(*arguments, check=True, timeout=PATIENCE):
    """Run one of Postfix's commands."""
    result = subprocess.run(
        [str(argument) for argument in arguments],
        env={"PATH": search_path()},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    if check and result.returncode != 0:
        raise AssertionError(f"{result.args}: {result.stderr}{result.stdout}")
    return result


class Postfix:
    """Started by its constructor; settings are lines of main.cf."""

    def __init__(self, chroot=False, **settings):
        self._chroot = "y" if chroot else "n"
        self.root = Path(tempfile.mkdtemp(prefix="ub-postfix-"))
        self.root.chmod(0o755)  # the queue's parents must be traversable
        self.config = self.root / "etc"
        self.queue = self.root / "queue"
        self.log_file = self.root / "log" / "mail.log"
        for folder in (self.config, self.queue, self.log_file.parent):
            folder.mkdir(mode=0o755)
        owner = pwd.getpwnam("postfix")
        data = self.root / "data"
        data.mkdir(mode=0o700)
        os.chown(data, owner.pw_uid, owner.pw_gid)
        # Bound but not listening: nobody else is given the port meanwhile.
        self._port_holder = socket.socket()
        self._port_holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._port_holder.bind(("127.0.0.1", 0))
        self.port = self._port_holder.getsockname()[1]
        self._write_configuration(settings)
        try:
            tool("postfix", "-c", self.config, "start")
            wait_until(self._greets, what="Postfix's greeting")
        except BaseException as error:
            error.args = (f"{error}\n{self.log()}",)
            self.stop()
            raise

    def _write_configuration(self, settings):
        main_cf = {
            "compatibility_level": "3.6",
            "queue_directory": self.queue,
            "data_directory": self.root / "data",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "multi_instance_enable": "yes",
            "multi_instance_name": f"postfix-{self.root.name}",
            "maillog_file": self.log_file,
            "maillog_file_prefixes": self.root,
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "myhostname": "mx.bridge.invalid",
            "mydestination": "",
            "mynetworks": "192.0.2.1",  # nobody: clients are strangers
            "alias_maps": "",
            "default_transport": "error:nothing leaves this test",
            "relay_transport": "error:nothing leaves this test",
            "notify_classes": "",
            "smtpd_peername_lookup": "no",
            "smtputf8_enable": "yes",
            "smtpd_relay_restrictions": "permit_sasl_authenticated, "
            "reject_unauth_destination",
            # A failing test must not sit through anybody's retry pause.
            "smtpd_error_sleep_time": "0",
            **settings,
        }
        text = "".join(f"{name} = {value}\n" for name, value in main_cf.items())
        (self.config / "main.cf").write_text(text)
        (self.config / "master.cf").write_text(
            MASTER_CF.format(port=self.port, chroot=self._chroot)
        )

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
                return sock.recv(64).startswith(b"220")
        except OSError:
            return False

    def log(self):
        if not self.log_file.exists():
            return "(no mail log)"
        return self.log_file.read_text(errors="replace")

    def processes(self):
        """The pids of everything that works in this instance's queue."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if Path(f"/proc/{pid}/cwd").resolve().is_relative_to(self.queue):
                    found.append(int(pid))
            except OSError:
                continue  # it has ended meanwhile
        return found

    def postmap(self, key, table):
        """postmap -q: (exit status, value)."""
        result = tool("postmap", "-c", self.config, "-q", key, table, check=False)
        return result.returncode, result.stdout.rstrip("\n")

    def stop(self):
        """Stop it, check that nothing is left, and remove its files."""
        try:
            tool("postfix", "-c", self.config, "stop", check=False)
            wait_until(lambda: not self.processes(), what="Postfix's processes end")
        finally:
            self._port_holder.close()
            shutil.rmtree(self.root)
