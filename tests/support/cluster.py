"""cluster - backends that tell each other, each asked on its own."""

from support.daemons import Backend, Sandbox, program_path
from support.directory import sample_directory
from support.frames import call_frame, exchange, lookup_call, results
from support.pool import PREFIX
from support.process import run
from support.wait import wait_until
from support.webhooks import SECRET

ALICE = "alice@example.org"
NEW = "carol@example.org"


class Cluster:
    """A sandbox userli and backends whose caches last as long as a test.

    They listen on UNIX sockets, whose names are known beforehand, and where
    peers say, one URL for each.  Every one is among its own peers, too.
    """

    def __init__(self, keeper, directory_file, folder, count=3, peers=None, **settings):
        self.keeper = keeper
        self.sandbox = keeper.add(Sandbox(directory_file))
        self.urls = [f"ipc://{folder}/{n}" for n in range(count)]
        self.peers = peers
        self.settings = {
            "LOOKUP_CACHE_TTL": "1h",
            "LOOKUP_NEGATIVE_TTL": "1h",
            "LOOKUP_NEGATIVE_TTL_DOMAIN": "1h",
            "BACKEND_PEERS": ",".join(peers or self.urls),
            "WEBHOOK_SECRET": SECRET,
            **settings,
        }
        self.backends = [self.start(n) for n in range(len(self.urls))]
        for backend in self.backends:
            backend.wait_ready()

    def start(self, number):
        listen = [self.urls[number], *([self.peers[number]] if self.peers else [])]
        settings = {**self.settings, "BACKEND_LISTEN_URL": ",".join(listen)}
        started = self.keeper.add(Backend(self.sandbox.url, **settings))
        started.secrets = {ALICE, NEW, SECRET}
        return started

    def ask(self, number, map_name, key):
        """("OK", "1") from one backend."""
        frame = call_frame(lookup_call(1, map_name, key))
        return results(exchange(self.urls[number], frame))[1]

    def ask_all(self, map_name, key):
        return [self.ask(n, map_name, key) for n in range(len(self.urls))]

    def requests(self):
        """Targets asked of userli, without the backends' own checks."""
        return sum(self.sandbox.targets().values())

    def add_users(self, *emails):
        directory = sample_directory()
        directory["users"] += [{"email": e, "password": "x"} for e in emails]
        domains = {e.partition("@")[2] for e in emails}
        directory["domains"] += sorted(domains - set(directory["domains"]))
        self.sandbox.set_directory(directory)

    def metric(self, number, name, **labels):
        return self.backends[number].metrics().value(PREFIX + name, **labels)

    def wait_metric(self, number, name, want, **labels):
        wait_until(lambda: self.metric(number, name, **labels) >= want,
                   what=f"{name}{labels} of {number} is {want}")
        assert self.metric(number, name, **labels) == want

    def flush(self, number, *operands):
        """Status, standard output, standard error of the tool."""
        tool = program_path("userli-bridge")
        return run([tool, "cache", "flush", *operands, "--addr", self.urls[number]])
