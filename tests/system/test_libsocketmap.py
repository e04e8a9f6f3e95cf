"""libsocketmap as a stranger gets it: installed, found by pkg-config alone."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", ROOT / "build"))
WAIT_S = 30

PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <socketmap.h>

/* Names of the library's inside: a program must be free to use them. */
int netstring_decode = 1;
int buffer_append = 2;
int connection_close = 3;

static void
hello(struct socketmap_request *request, void *arg)
{
	(void)arg;
	socketmap_reply(request, SOCKETMAP_OK, "world", 5);
}

static void
run(void *server)
{
	(void)socketmap_server_run(server, 1000);
}

int
main(void)
{
	struct socketmap_server *server;
	struct socketmap_client *client;
	struct socketmap_answer answer;
	uv_thread_t thread;
	uint16_t port;
	char address[32];

	if (socketmap_server_new(&server, NULL, NULL) != 0 ||
	    socketmap_server_map(server, "greeting", hello, NULL) != 0 ||
	    socketmap_server_listen_tcp(server, "127.0.0.1:0", &port) != 0 ||
	    uv_thread_create(&thread, run, server) != 0)
		return 1;
	snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port);
	if (socketmap_client_new(&client, address, 10000) != 0 ||
	    socketmap_client_lookup(
		client, "greeting", "hello", 5, &answer) != 0)
		return 2;
	printf("%s %s %s\n", socketmap_version(),
	    socketmap_status_name(answer.status), answer.data);
	socketmap_client_free(client);
	socketmap_server_stop(server);
	uv_thread_join(&thread);
	socketmap_server_free(server);
	return netstring_decode + buffer_append + connection_close == 6 ? 0 : 3;
}
"""


def cached(name):
    """A variable of the build's CMakeCache.txt, or ''."""
    found = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    return found[1] if found else ""


def sanitizer():
    return [f"-fsanitize={cached('SANITIZE')}"] if cached("SANITIZE") else []


def output(*command, **options):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=120, **options
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """The library, installed."""
    path = tmp_path_factory.mktemp("installed")
    output("cmake", "--install", BUILD, "--prefix", path, "--component", "socketmap")
    return path


def library_directory(prefix):
    return next(prefix.rglob("libsocketmap.a")).parent


def build_and_run(prefix, work, *, run_path):
    libraries = library_directory(prefix)
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libraries / "pkgconfig")}
    flags = shlex.split(output("pkg-config", "--cflags", "--libs", "socketmap", env=environment))
    source = work / "program.c"
    source.write_text(PROGRAM)
    compiler = cached("CMAKE_C_COMPILER") or "cc"
    program = work / "program"
    output(compiler, *sanitizer(), "-o", program, source, *flags)
    if run_path:
        environment["LD_LIBRARY_PATH"] = str(libraries)
    got = output(program, env=environment)
    version = output("pkg-config", "--modversion", "socketmap", env=environment).strip()
    assert got == f"{version} OK world\n"
    return program


def test_a_program_links_the_shared_library(prefix, tmp_path):
    program = build_and_run(prefix, tmp_path, run_path=True)
    assert "libsocketmap.so.0" in output("readelf", "-d", program)


def test_a_program_links_the_static_library(prefix, tmp_path):
    only_static = tmp_path / "prefix"
    shutil.copytree(prefix, only_static, symlinks=True)
    for shared in only_static.rglob("libsocketmap.so*"):
        shared.unlink()
    program = build_and_run(only_static, tmp_path, run_path=False)
    assert "libsocketmap" not in output("readelf", "-d", program)


@pytest.mark.parametrize("name", ["libsocketmap.a", "libsocketmap.so"])
def test_a_library_defines_no_name_but_its_own(prefix, name):
    library = library_directory(prefix) / name
    flags = ["-g"] if name.endswith(".a") else ["-D"]
    lines = output("nm", *flags, "--defined-only", library).splitlines()
    names = {line.split()[2] for line in lines if len(line.split()) == 3}
    own = {n for n in names if n.startswith("socketmap_")}
    # What a sanitizer adds is not ours.
    others = {n for n in names - own if not re.match(r"__(odr_)?[aut]san|__start|__stop", n)}
    assert not others
    header = (prefix / "include" / "socketmap.h").read_text()
    declared = set(re.findall(r"\b(socketmap_\w+)\s*\(", header.split("__cplusplus", 1)[1]))
    assert own == {n for n in declared if n != "socketmap_handler"}


def test_the_header_is_c_and_cxx_without_a_warning(prefix, tmp_path):
    uv = shlex.split(output("pkg-config", "--cflags", "libuv"))
    for language, standard in (("c", "c11"), ("c++", "c++11")):
        if language == "c++" and shutil.which("c++") is None:
            continue
        output(
            "c++" if language == "c++" else "cc", "-x", language, f"-std={standard}", "-Wall",
            "-Wextra", "-Wpedantic", "-Werror", "-D_POSIX_C_SOURCE=200809L", *uv,
            "-fsyntax-only", prefix / "include" / "socketmap.h",
        )


# --- The example ------------------------------------------------------------


class Example:
    """build/bin/socketmap-example, listening on TCP and on a UNIX socket."""

    def __init__(self, path):
        self.path = path
        self.process = subprocess.Popen(
            [BUILD / "bin" / "socketmap-example", "127.0.0.1:0", path],
            stdout=subprocess.PIPE, text=True,
        )
        self.port = int(self.process.stdout.readline().split()[-1])
        assert self.process.stdout.readline() == f"listening on {path}\n"

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(WAIT_S)

    def connect(self, family):
        client = socket.socket(family)
        client.settimeout(WAIT_S)
        client.connect(("127.0.0.1", self.port) if family == socket.AF_INET else str(self.path))
        return client


@pytest.fixture
def example(tmp_path):
    started = Example(tmp_path / "socket")
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.wait()
    started.process.stdout.close()


def netstring(text):
    return b"%d:%s," % (len(text), text)


def ask(client, *requests):
    """Send all at once; the bytes until the server has answered them all."""
    client.sendall(b"".join(netstring(r) for r in requests))
    client.shutdown(socket.SHUT_WR)
    got = b""
    while chunk := client.recv(65536):
        got += chunk
    return got


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_the_example_answers_over(family, example):
    with example.connect(family) as client:
        got = ask(client, b"colour sky", b"colour mud", b"echo a b", b"nothing x", b"nothing")
    replies = [b"OK blue", b"NOTFOUND ", b"OK a b", b"NOTFOUND ", b"PERM Invalid request format"]
    assert got == b"".join(netstring(r) for r in replies)


def test_the_example_stops_at_an_interrupt_and_removes_its_socket(example):
    with example.connect(socket.AF_INET) as client:
        client.sendall(netstring(b"colour sun"))
        assert client.recv(100) == netstring(b"OK yellow")
        assert example.stop() == 0
        assert client.recv(100) == b""
    assert not example.path.exists()


def test_the_example_says_which_address_it_cannot_have(example):
    taken = f"127.0.0.1:{example.port}"
    done = subprocess.run(
        [BUILD / "bin" / "socketmap-example", taken], capture_output=True, text=True, timeout=WAIT_S
    )
    assert done.returncode == 1
    assert done.stderr == f"{taken}: address already in use\n"
