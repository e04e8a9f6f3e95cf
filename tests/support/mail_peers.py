"""mail_peers - what a Postfix under test talks to: an LMTP sink, Dovecot's auth.

Each serves in threads of its own until stop().
"""

import base64
import os
import re
import socketserver
import threading
from typing import NamedTuple


class Delivery(NamedTuple):
    sender: str
    recipients: tuple
    text: str


class _Server:
    """A threaded server on a TCP port of the kernel's choice or a UNIX path."""

    def __init__(self, handler, path=None):
        kind = socketserver.ThreadingUnixStreamServer
        if path is None:
            kind, path = socketserver.ThreadingTCPServer, ("127.0.0.1", 0)

        class Server(kind):
            daemon_threads = True
            allow_reuse_address = True
            peer = self

        self._server = Server(path, handler)
        if isinstance(path, str):
            os.chmod(path, 0o666)
        self.address = self._server.server_address
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class LmtpSink(_Server):
    """Takes every mail and remembers it."""

    def __init__(self):
        self.deliveries = []
        super().__init__(_LmtpSession)

    def recipients_of(self, subject):
        """Everyone who got the mail with this subject, sorted."""
        return sorted(
            recipient
            for delivery in list(self.deliveries)
            if f"Subject: {subject}\n" in delivery.text
            for recipient in delivery.recipients
        )


class _LmtpSession(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 sink LMTP")
        sender, recipients = "", []
        while line := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
            verb = line[:4].upper()
            path = re.search(r"<(.*?)>", line)
            if verb == "LHLO":
                self.say("250-sink", "250 8BITMIME")
            elif verb == "MAIL":
                sender, recipients = path[1], []
                self.say("250 2.1.0 ok")
            elif verb == "RCPT":
                recipients.append(path[1])
                self.say("250 2.1.5 ok")
            elif verb == "DATA":
                self.say("354 go ahead")
                text = self.read_data()
                self.server.peer.deliveries.append(
                    Delivery(sender, tuple(recipients), text)
                )
                self.say(*["250 2.0.0 taken"] * len(recipients))
            elif verb == "QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 ok")

    def say(self, *lines):
        self.wfile.write("".join(line + "\r\n" for line in lines).encode())

    def read_data(self):
        lines = []
        while (line := self.rfile.readline().decode("latin-1")) not in (".\r\n", ""):
            lines.append(line.rstrip("\r\n").removeprefix("."))
        return "\n".join(lines) + "\n"


class DovecotAuth(_Server):
    """Knows users by password; mechanism PLAIN.  Without a path, on TCP.

    Source: Dovecot's "Authentication Protocol" version 1; Postfix's
    src/xsasl/xsasl_dovecot_server.c wants MECH before SPID.
    """

    def __init__(self, path, passwords):
        self.passwords = passwords
        super().__init__(_AuthSession, path and str(path))


class _AuthSession(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("VERSION\t1\t1", "MECH\tPLAIN\tplaintext", f"SPID\t{os.getpid()}")
        self.say("CUID\t1", "COOKIE\t00112233445566778899aabbccddeeff", "DONE")
        while line := self.rfile.readline().decode().rstrip("\n"):
            fields = line.split("\t")
            if fields[0] != "AUTH":
                continue
            response = next((f[5:] for f in fields if f.startswith("resp=")), "")
            _, user, password = base64.b64decode(response).decode().split("\0")
            if self.server.peer.passwords.get(user) == password:
                self.say(f"OK\t{fields[1]}\tuser={user}")
            else:
                self.say(f"FAIL\t{fields[1]}\tuser={user}")

    def say(self, *lines):
        self.wfile.write("".join(line + "\n" for line in lines).encode())
