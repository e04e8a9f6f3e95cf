"""servers - what the cases measure, and what they measure it against.

Every port is the kernel's choice; every program is stopped by its own pid.
"""

import socket
from pathlib import Path

from support.daemons import program_path
from support.process import Program
from support.wait import TimedOut, wait_until

NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 '["someone@example.org"]'; }}
        location /api/postfix/domain/ {{ return 200 'true'; }}
        location /api/postfix/mailbox/ {{ return 200 'true'; }}
    }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Nginx(Program):
    """Debian's nginx, which answers every lookup with the same JSON."""

    def __init__(self, folder):
        folder = Path(folder)
        folder.mkdir()
        for _ in range(5):
            port = free_port()  # nginx cannot ask the kernel for one
            config = folder / "nginx.conf"
            config.write_text(NGINX.format(folder=folder, port=port))
            super().__init__(
                ["/usr/sbin/nginx", "-p", folder, "-c", config], name="nginx"
            )
            try:
                wait_until(
                    lambda port=port: accepts(port) or not self.running, 10, "nginx"
                )
            except TimedOut:
                self.kill()
                raise
            if self.running:
                break
        self.url = f"http://127.0.0.1:{port}"


class Listener(Program):
    """A program that prints where it listens."""

    def __init__(self, *argv, pattern=r"listening on 127\.0\.0\.1, port (\d+)"):
        super().__init__(
            [program_path(argv[0]), *argv[1:]], exit_codes=(0, -15)
        )
        with self.starting():
            self.where = self.wait_output(pattern)[1]
        self.address = f"127.0.0.1:{self.where}"


def floor_epoll():
    return Listener("floor-epoll")


def socketmap_example():
    return Listener(
        "socketmap-example", "127.0.0.1:0", pattern=r"listening on .*port (\d+)"
    )


def floor_echo():
    return Listener("floor-frames", "echo", pattern=r"listening on (tcp://\S+)")


def floor_front(echo):
    return Listener("floor-frames", "front", echo.where)


def echo_backends(count):
    """So many backends in one program; their urls are .urls."""
    program = Listener("bench-backends", count, pattern=r"(tcp://\S+)")
    program.urls = program.where.split(",")
    return program
