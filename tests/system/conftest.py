"""Fixtures of the system tests: real processes, each test with its own.

    keeper    starts programs and ends them with the test
    sandbox, backend, frontend
              functions that start one, with settings as keyword arguments
    stack     all three, ready
    shared    the same for a whole module, faults and counters reset per test
    pool      several backends and frontends, with the machine for itself

--full lets the tests of the pool run as long as their claims say.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.daemons import (  # noqa: E402
    REPOSITORY,
    Backend,
    Frontend,
    Sandbox,
    Stack,
)
from support.directory import sample_directory, write_directory  # noqa: E402
from support.netns import Unavailable  # noqa: E402
from support.pool import Pool  # noqa: E402
from support.process import Keeper  # noqa: E402


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="tests of the pool in full length"
    )


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time, so that nothing runs beside it")
    config.addinivalue_line("markers", "once: not repeated for a second compiler")


def pytest_collection_modifyitems(items):
    for item in items:
        if "machine" in getattr(item, "fixturenames", ()):
            item.add_marker("alone")


@pytest.fixture
def keeper():
    keeper = Keeper()
    yield keeper
    keeper.finish()


@pytest.fixture(scope="session")
def directory_file(tmp_path_factory):
    """The sample directory, read-only: a test that changes it makes its own."""
    return write_directory(tmp_path_factory.mktemp("userli"), sample_directory())


@pytest.fixture
def sandbox(keeper, directory_file):
    """sandbox(*options, listen=…, prefix=…) starts a sandbox userli."""

    def start(*options, directory=directory_file, **settings):
        return keeper.add(Sandbox(directory, *options, **settings))

    return start


@pytest.fixture
def backend(keeper):
    """backend(userli_url, SETTING=value…) starts a backend."""

    def start(userli_url, **settings):
        return keeper.add(Backend(userli_url, **settings))

    return start


@pytest.fixture
def frontend(keeper):
    """frontend(backend_urls, SETTING=value…) starts a frontend."""

    def start(backend_urls, **settings):
        return keeper.add(Frontend(backend_urls, **settings))

    return start


@pytest.fixture
def make_stack(keeper, directory_file):
    """make_stack(backend={…}, frontend={…}) starts all three, ready."""

    def start(backend=None, frontend=None, directory=directory_file):
        return Stack(keeper, directory, backend, frontend)

    return start


@pytest.fixture
def stack(make_stack):
    return make_stack()


@pytest.fixture(scope="module")
def module_stack(directory_file):
    keeper = Keeper()
    try:
        yield Stack(keeper, directory_file)
    finally:
        keeper.finish()


@pytest.fixture
def shared(module_stack):
    """A stack that the module's tests share: do nothing to it that lasts."""
    module_stack.sandbox.clear_faults()
    # What failed before this test is forgotten with a success of a fresh key.
    module_stack.backend.wait_ready()
    fresh = f"{uuid.uuid4().hex}.example"
    assert module_stack.lookup("domain", fresh).status == "NOTFOUND"
    module_stack.sandbox.clear_stats()
    yield module_stack
    module_stack.sandbox.clear_faults()


@pytest.fixture
def full(request):
    """Whether there is time; FULL=1 in the environment says so, too."""
    return request.config.getoption("--full") or os.environ.get("FULL") == "1"


@pytest.fixture
def machine():
    """Only one test that measures time runs at once, however many workers."""
    name = hashlib.sha256(str(REPOSITORY).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir(), f"userli-bridge-{os.getuid()}-{name}.lock")
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def pool(machine, keeper, tmp_path):
    """pool(backends=3, frontends=2, …) starts a Pool."""

    def start(**options):
        return Pool(keeper, tmp_path, **options)

    return start


@pytest.fixture
def may():
    """may(make, …) is make(…), or skips the test where that is not allowed."""
    with contextlib.ExitStack() as stack:

        def call(make, *arguments, **options):
            try:
                made = make(*arguments, **options)
                return stack.enter_context(made) if hasattr(made, "__enter__") else made
            except Unavailable as reason:
                pytest.skip(str(reason))

        yield call


@pytest.fixture
def short_dir():
    """A directory whose path is short enough for UNIX sockets in it."""
    path = tempfile.mkdtemp(prefix="ub-")
    yield Path(path)
    shutil.rmtree(path)


def pytest_make_parametrize_id(val):
    """Keep names short where a value is long."""
    text = val if isinstance(val, (str, bytes)) else None
    return f"{text[:30]!r}~{len(text)}" if text and len(text) > 60 else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Attach what the programs of a failed test wrote."""
    report = (yield).get_result()
    if call.when != "call" or not report.failed:
        return
    keepers = {item.funcargs.get("keeper")}
    if "shared" in item.funcargs:
        keepers.add(item.funcargs["shared"].keeper)
    for keeper in keepers - {None}:
        for program in keeper.programs:
            report.sections.append((program.name, program.transcript()))
