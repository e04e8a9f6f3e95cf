"""daemons - sandbox userli, backend and frontend as tests use them.

Every address is loopback or a UNIX socket in the test's directory; every port
is the kernel's choice, read from the program's own output.
"""

import json
import os
import re
from pathlib import Path

from support.directory import TOKEN
from support.process import Program
from support.prometheus import Exposition
from support.socketmap import SocketmapClient
from support.wait import PATIENCE, wait_until
from support.web import fetch

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD_DIR = Path(os.environ.get("BUILD_DIR") or REPOSITORY / "build").resolve()


# An address as such, and as it stands in a URL's path.
ADDRESS = re.compile(r"[A-Za-z0-9._+-]+(@|%40)[A-Za-z0-9-]+\.[A-Za-z]")


def program_path(name):
    return BUILD_DIR / "bin" / name


def fault(map_name, key, **what):
    """A rule that makes the sandbox misbehave for one key.

    body may be text, or anything else that JSON can hold.
    """
    if not isinstance(what.get("body", ""), str):
        what["body"] = json.dumps(what["body"])
    return {"match": f"*/api/postfix/{map_name}/{key}", **what}


class Sandbox(Program):
    """The sandbox userli: what it was asked, and how it shall misbehave."""

    def __init__(self, directory, *options, listen="127.0.0.1:0", prefix=""):
        argv = [program_path("userli-sandbox"), "--directory", directory]
        if listen:
            argv += ["--listen", listen]
        if prefix:
            argv += ["--prefix", prefix]
        super().__init__([*argv, *options], name="sandbox")
        with self.starting():
            where = self.wait_output(r"listening on (https?://[^/\s]+|unix:\S+)")
        self.url = where[1] + (prefix if where[1].startswith("http") else "")
        # The control interface is outside the prefix.
        self.control_url = where[1]

    def _control(self, path, method="GET", body=None):
        response = fetch(f"{self.control_url}/_sandbox/{path}", method, body)
        assert response.status in (200, 204), response
        return response

    def stats(self):
        return self._control("stats").json()

    def clear_stats(self):
        self._control("stats", "DELETE")

    def targets(self):
        """Every target asked so far, raw, but for the backend's own checks."""
        return {
            path: count
            for path, count in self.stats()["by_path"].items()
            if "health-check" not in path
        }

    def set_faults(self, *rules):
        self._control("faults", "PUT", list(rules))

    def clear_faults(self):
        self._control("faults", "DELETE")

    def set_directory(self, directory):
        self._control("directory", "PUT", directory)


class Daemon(Program):
    """What frontend and backend have in common.

    launcher is what runs the program, and becomes it: nsenter and the like.
    """

    def __init__(
        self,
        program,
        settings,
        arguments=(),
        private=True,
        launcher=(),
        pass_fds=(),
    ):
        env = {"METRICS_LISTEN_ADDR": "127.0.0.1:0", **settings}
        if os.geteuid() != 0:
            # Else only root may look at its descriptors, and no sanitizer for
            # its leaks.
            env.setdefault("CORE_DUMPS", "1")
        env = {name: str(value) for name, value in env.items() if value is not None}
        self.private = private and env.get("LOG_PII") != "1"
        self.secrets = set()  # what must not be seen in logs and metrics
        super().__init__(
            [*launcher, program_path(program), *arguments],
            env=env,
            name=program.removeprefix("userli-bridge-"),
            pass_fds=pass_fds,
        )
        with self.starting():
            self.wait_event("ready")
            self.metrics_url = "http://" + self.addresses("metrics")[0]

    def addresses(self, service):
        """What it listens on, as its log says."""
        return [e["address"] for e in self.find_events("listening", service=service)]

    def metrics(self):
        response = fetch(self.metrics_url + "/metrics")
        assert response.status == 200, response
        return Exposition(response.body)

    def health(self):
        return fetch(self.metrics_url + "/health")

    def ready(self):
        return fetch(self.metrics_url + "/ready")

    def wait_ready(self, timeout=PATIENCE):
        wait_until(
            lambda: self.ready().status == 200, timeout, f"{self.name} is ready"
        )
        return self

    def wait_not_ready(self, timeout=PATIENCE):
        """Its reason, once /ready is 503."""
        wait_until(
            lambda: self.ready().status == 503, timeout, f"{self.name} is not ready"
        )
        return self.ready()

    def before_stop(self):
        """A last look at the metrics, where nothing personal may be."""
        if self.running and self.private:
            self._last_metrics = self.metrics().text

    def problems(self):
        return super().problems() + self._indiscretions()

    def _indiscretions(self):
        """Tokens, and unless LOG_PII is set addresses, in logs and metrics."""
        lines = self.lines + self.output
        lines += getattr(self, "_last_metrics", "").splitlines()
        found = []
        for line in lines:
            if TOKEN in line:
                found.append(f"shows the token: {line}")
            if self.private:
                if ADDRESS.search(line):
                    found.append(f"shows an address: {line}")
                found += [
                    f"shows the key {key!r}: {line}"
                    for key in self.secrets
                    if key in line
                ]
        return found


class Backend(Daemon):
    """Most tests look at what reaches userli: no cache, unless they ask for it
    (LOOKUP_CACHE_TTL=None for the default)."""

    def __init__(
        self, userli_url, arguments=(), private=True, launcher=(), **settings
    ):
        env = {
            "BACKEND_LISTEN_URL": "tcp://127.0.0.1:0",
            "USERLI_BASE_URL": userli_url,
            "USERLI_TOKEN": TOKEN,
            "LOOKUP_CACHE_TTL": "0",
            **settings,
        }
        super().__init__("userli-bridge-backend", env, arguments, private, launcher)
        self.urls = self.addresses("rpc")


class Frontend(Daemon):
    def __init__(
        self,
        backend_urls,
        arguments=(),
        private=True,
        launcher=(),
        pass_fds=(),
        **settings,
    ):
        env = {
            "SOCKETMAP_LISTEN_ADDR": "127.0.0.1:0",
            "BACKEND_URLS": ",".join(backend_urls),
            **settings,
        }
        super().__init__(
            "userli-bridge-frontend", env, arguments, private, launcher, pass_fds
        )
        self.asked = set()

    @property
    def address(self):
        """The first address that answers socketmap."""
        return self.addresses("socketmap")[0]

    def client(self, address=None, timeout=PATIENCE):
        return SocketmapClient(address or self.address, timeout, self.asked)

    def lookup(self, map_name, key):
        """One lookup on a connection of its own."""
        with self.client() as client:
            return client.lookup(map_name, key)

    def secrets_asked(self):
        """Keys that would be recognised in a log line."""
        keys = {key.decode("utf-8", "replace") for key in self.asked}
        return {key for key in keys if 6 <= len(key) <= 200 and "." in key}


class Stack:
    """A sandbox userli, one backend, one frontend."""

    def __init__(self, keeper, directory, backend=None, frontend=None):
        self.keeper = keeper
        self.sandbox = keeper.add(Sandbox(directory))
        self.backend = keeper.add(Backend(self.sandbox.url, **(backend or {})))
        self.frontend = keeper.add(Frontend(self.backend.urls, **(frontend or {})))
        # Both tiers see the keys that the frontend's clients ask for.
        self.backend.secrets = self.frontend.secrets = _Asked(self.frontend)
        self.backend.wait_ready()
        self.frontend.wait_ready()

    def client(self):
        return self.frontend.client()

    def lookup(self, map_name, key):
        return self.frontend.lookup(map_name, key)


class _Asked:
    """The keys asked, as they are when the logs are searched."""

    def __init__(self, frontend):
        self._frontend = frontend

    def __iter__(self):
        return iter(self._frontend.secrets_asked())
