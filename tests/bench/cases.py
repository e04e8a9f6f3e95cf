"""cases - each program against its floor, in turn, in the same run."""

import statistics

import load
import servers
from support.daemons import Backend, Frontend, program_path
from support.process import run
from support.weight import cpu_seconds

WARMUP = ("--warmup", "100ms")
CACHED_KEYS = 1000


class Pair:
    """What is measured, its floor, and the processes whose CPU is counted."""

    name = ""
    title = ""

    def __init__(self, keeper, folder):
        self.keeper = keeper
        self.folder = folder
        self.parts = {}  # name: program

    def start(self):
        """Start both; nothing else runs while they are measured."""

    def measure(self, clients, seconds):
        """A report of bench."""

    def measure_floor(self, clients, seconds):
        """Answers a second."""

    def measure_cpu(self, clients, seconds):
        """The report, and CPU microseconds an answer of each part."""
        before = {name: cpu_seconds(p) for name, p in self.parts.items()}
        report = self.measure(clients, seconds)
        # The warm-up is counted by the kernel, but not by bench.
        share = report["seconds"] / (report["seconds"] + 0.1)
        done = report["per_second"] * report["seconds"] / share
        cpu = {
            name: (cpu_seconds(p) - before[name]) * 1e6 / done
            for name, p in self.parts.items()
        }
        return report, cpu


class Socketmap(Pair):
    name = "socketmap"
    title = "libsocketmap, constant map / bare epoll echo"

    def start(self):
        self.floor = self.keeper.add(servers.floor_epoll())
        self.server = self.keeper.add(servers.socketmap_example())
        self.parts = {"server": self.server}

    def measure(self, clients, seconds):
        return load.run(
            self.server.address, clients, seconds, *WARMUP, "--map", "colour",
            "--key", "sky", "--expect", "ok",
        )  # fmt: skip

    def measure_floor(self, clients, seconds):
        return load.run(
            self.floor.address, clients, seconds, *WARMUP, "--map", "colour",
            "--key", "sky", "--expect", "ok",
        )["per_second"]  # fmt: skip


class Cached(Pair):
    name = "cached"
    title = "both tiers, backend cache hit / bare frames echo"
    keys = ("--range", CACHED_KEYS, "--expect", "ok")

    def start(self):
        stub = self.keeper.add(servers.Nginx(self.folder / "nginx-cached"))
        self.echo = self.keeper.add(servers.floor_echo())
        self.floor = self.keeper.add(servers.floor_front(self.echo))
        self.backend = self.keeper.add(
            Backend(stub.url, LOOKUP_CACHE_TTL="1h")
        )
        self.frontend = self.keeper.add(Frontend(self.backend.urls))
        self.backend.wait_ready()
        self.frontend.wait_ready()
        self.parts = {"frontend": self.frontend, "backend": self.backend}
        load.count(self.frontend.address, 8, CACHED_KEYS, *self.keys)

    def measure(self, clients, seconds):
        return load.run(self.frontend.address, clients, seconds, *WARMUP, *self.keys)

    def measure_floor(self, clients, seconds):
        return load.run(self.floor.address, clients, seconds, *WARMUP, *self.keys)[
            "per_second"
        ]


class Fetch(Pair):
    name = "fetch"
    title = "both tiers, every lookup a fetch / libcurl multi alone"

    def start(self):
        settings = {
            "LOOKUP_CACHE_TTL": 0,
            "USERLI_MAX_REQUESTS": 256,
            "USERLI_QUEUE_TIMEOUT": "10s",
        }
        self.stub = self.keeper.add(servers.Nginx(self.folder / "nginx-fetch"))
        self.backend = self.keeper.add(Backend(self.stub.url, **settings))
        self.frontend = self.keeper.add(Frontend(self.backend.urls))
        self.backend.wait_ready()
        self.frontend.wait_ready()
        self.parts = {"frontend": self.frontend, "backend": self.backend}

    def measure(self, clients, seconds):
        return load.run(
            self.frontend.address, clients, seconds, *WARMUP, "--range", 100000000,
            "--expect", "ok",
        )  # fmt: skip

    def measure_floor(self, clients, seconds):
        url = f"{self.stub.url}/api/postfix/alias/user1%40example.org"
        argv = [program_path("floor-curl"), clients, f"{seconds:.3f}", url]
        status, out, err = run(argv)
        assert status == 0 and '"failed":0' in out, out + err
        return load.json.loads(out)["per_second"]


PAIRS = {pair.name: pair for pair in (Socketmap, Cached, Fetch)}


def compare(pair, rounds, seconds, clients, told):
    """Medians for each number of clients.

    The floor is measured right before or right after the case, and the two
    take turns in going first, so that a ratio compares what ran under the same
    conditions even on a machine that others use.
    """
    rows = []
    for n in clients:
        ratios, rates, floors, p99s, cpus = [], [], [], [], []
        for i in range(rounds):
            if i % 2 == 0:
                floor = pair.measure_floor(n, seconds)
            report, cpu = pair.measure_cpu(n, seconds)
            if i % 2 == 1:
                floor = pair.measure_floor(n, seconds)
            floors.append(floor)
            rates.append(report["per_second"])
            ratios.append(report["per_second"] / floor)
            p99s.append(report["all"]["p99_ms"])
            cpus.append(cpu)
        row = {
            "clients": n,
            "per_second": statistics.median(rates),
            "floor_per_second": statistics.median(floors),
            "ratio": statistics.median(ratios),
            "ratio_least": min(ratios),
            "ratio_most": max(ratios),
            "p99_ms": statistics.median(p99s),
            "cpu_us": {
                name: statistics.median(cpu[name] for cpu in cpus) for name in cpus[0]
            },
        }
        rows.append(row)
        told(f"{pair.name}, {n} clients: {row['ratio']:.2f}")
    return rows
