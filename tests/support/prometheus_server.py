"""prometheus_server - a real Prometheus with a private configuration."""

import re
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

from support.process import Program
from support.wait import wait_until
from support.web import fetch

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
REASON = "Prometheus is not installed (Debian's package prometheus)"


def _sockets(pid):
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(fd.readlink())
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def listening_port(pid):
    """The TCP port that a process listens on, or None so far."""
    mine = set(_sockets(pid))
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in mine:
            return int(fields[1].rpartition(":")[2], 16)
    return None


class PrometheusServer(Program):
    """Scrapes targets ({job: [host:port]}) each second, with the given rules."""

    def __init__(self, folder, targets, rules):
        jobs = "".join(
            f"  - job_name: {job}\n    static_configs:\n      - targets: {addresses}\n"
            for job, addresses in targets.items()
        )
        config = folder / "prometheus.yml"
        config.write_text(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\n"
            f"rule_files:\n  - {rules}\nscrape_configs:\n{jobs}"
        )
        super().__init__(
            [
                PROMETHEUS,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            name="prometheus",
            exit_codes=(0, -signal.SIGTERM),
        )
        with self.starting():
            port = wait_until(lambda: listening_port(self.pid), what="Prometheus")
            self.url = f"http://127.0.0.1:{port}"
            wait_until(
                lambda: fetch(f"{self.url}/-/ready").status == 200, what="Prometheus ready"
            )

    def _get(self, path):
        response = fetch(f"{self.url}/api/v1/{path}")
        answer = response.json()
        assert answer["status"] == "success", f"{path}: {answer}"
        return answer["data"]

    def query(self, expression):
        """[(labels, value)]; AssertionError for what Prometheus refuses."""
        data = self._get(f"query?query={quote(expression)}")
        assert data["resultType"] == "vector", expression
        return [(r["metric"], float(r["value"][1])) for r in data["result"]]

    def rules(self):
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]


def metric_names(text):
    """The metrics of ours that an expression names, as they are registered."""
    return set(re.findall(r"\b(?:userli_postfix_adapter_|process_)\w+", text))
