"""Where the daemons listen: UNIX sockets, IPv6, several at once."""

import grp
import os
import pwd
import socket
import stat

import pytest
from support.daemons import program_path
from support.process import run
from support.web import fetch

EX_UNAVAILABLE = 69


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
        return True
    except OSError:
        return False


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")


@pytest.fixture
def rear(sandbox, backend):
    """A backend with its sandbox, for frontends that differ."""
    return backend(sandbox().url).wait_ready()


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_a_unix_socket_answers_and_goes_with_the_frontend(rear, frontend, short_dir):
    path = short_dir / "map.sock"
    front = frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=path).wait_ready()
    assert front.address == str(path)
    assert mode_of(path) == 0o660
    assert str(front.lookup("domain", "example.org")) == "OK 1"
    assert front.stop() == 0
    assert not path.exists()


def test_unix_prefix_is_the_same_as_a_path(rear, frontend, short_dir):
    path = short_dir / "map.sock"
    front = frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=f"unix:{path}").wait_ready()
    with front.client(str(path)) as client:
        assert str(client.lookup("domain", "example.org")) == "OK 1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_unix_socket_has_the_mode_owner_and_group_asked_for(
    rear, frontend, short_dir
):
    path = short_dir / "map.sock"
    user = pwd.getpwnam("nobody")
    frontend(
        rear.urls,
        SOCKETMAP_LISTEN_ADDR=path,
        SOCKETMAP_SOCKET_MODE="0606",
        SOCKETMAP_SOCKET_OWNER="nobody",
        SOCKETMAP_SOCKET_GROUP=grp.getgrgid(user.pw_gid).gr_name,
    )
    status = os.stat(path)
    assert mode_of(path) == 0o606
    assert (status.st_uid, status.st_gid) == (user.pw_uid, user.pw_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_may_be_numbers(rear, frontend, short_dir):
    path = short_dir / "map.sock"
    frontend(
        rear.urls,
        SOCKETMAP_LISTEN_ADDR=path,
        SOCKETMAP_SOCKET_OWNER="12345",
        SOCKETMAP_SOCKET_GROUP="54321",
    )
    assert (os.stat(path).st_uid, os.stat(path).st_gid) == (12345, 54321)


def test_a_stale_socket_file_is_replaced(rear, frontend, short_dir):
    path = short_dir / "map.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
        stale.listen()
    front = frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=path).wait_ready()
    assert str(front.lookup("domain", "example.org")) == "OK 1"


def test_a_frontend_that_was_killed_is_followed_on_its_socket(
    rear, frontend, short_dir
):
    path = short_dir / "map.sock"
    frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=path).kill()
    assert path.exists()
    front = frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=path).wait_ready()
    assert str(front.lookup("domain", "example.org")) == "OK 1"


def test_a_served_socket_is_not_taken_away(rear, frontend, short_dir):
    path = short_dir / "map.sock"
    front = frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=path).wait_ready()
    status, _, err = start_frontend(SOCKETMAP_LISTEN_ADDR=str(path))
    assert status == EX_UNAVAILABLE and str(path) in err
    assert str(front.lookup("domain", "example.org")) == "OK 1"


def test_another_kind_of_file_is_not_replaced(short_dir):
    path = short_dir / "precious"
    path.write_text("data")
    status, _, err = start_frontend(SOCKETMAP_LISTEN_ADDR=str(path))
    assert status == EX_UNAVAILABLE and str(path) in err
    assert path.read_text() == "data"


def test_a_missing_directory_is_named(short_dir):
    path = short_dir / "nowhere" / "map.sock"
    status, _, err = start_frontend(SOCKETMAP_LISTEN_ADDR=str(path))
    assert status == EX_UNAVAILABLE and str(path) in err


@pytest.mark.parametrize("name", ("SOCKETMAP_LISTEN_ADDR", "METRICS_LISTEN_ADDR"))
def test_a_frontends_taken_port_is_fatal_and_named(name):
    with taken_port() as port:
        status, _, err = start_frontend(**{name: f"127.0.0.1:{port}"})
    assert status == EX_UNAVAILABLE
    assert f"127.0.0.1:{port}" in err and "in use" in err


@pytest.mark.parametrize("name", ("BACKEND_LISTEN_URL", "METRICS_LISTEN_ADDR"))
def test_a_backends_taken_port_is_fatal_and_named(name):
    scheme = "tcp://" if name == "BACKEND_LISTEN_URL" else ""
    with taken_port() as port:
        settings = {
            "USERLI_TOKEN": "t",
            "BACKEND_LISTEN_URL": "tcp://127.0.0.1:0",
            "METRICS_LISTEN_ADDR": "127.0.0.1:0",
            name: f"{scheme}127.0.0.1:{port}",
        }
        status, _, err = run([program_path("userli-bridge-backend")], settings)
    assert status == EX_UNAVAILABLE
    assert f"127.0.0.1:{port}" in err and "in use" in err


def test_one_taken_port_of_several_is_fatal_too():
    with taken_port() as port:
        listen = f"127.0.0.1:0, 127.0.0.1:{port}"
        status, _, err = start_frontend(SOCKETMAP_LISTEN_ADDR=listen)
    assert status == EX_UNAVAILABLE and f"127.0.0.1:{port}" in err


@needs_ipv6
def test_ipv6_answers(rear, frontend):
    front = frontend(
        rear.urls, SOCKETMAP_LISTEN_ADDR="[::1]:0", METRICS_LISTEN_ADDR="[::1]:0"
    ).wait_ready()
    assert front.address.startswith("[::1]:")
    assert str(front.lookup("domain", "example.org")) == "OK 1"


@needs_ipv6
def test_an_address_without_a_host_answers_both_families(rear, frontend):
    front = frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=":0").wait_ready()
    port = front.address.rpartition(":")[2]
    for host in ("127.0.0.1", "[::1]"):
        with front.client(f"{host}:{port}") as client:
            assert str(client.lookup("domain", "example.org")) == "OK 1"


@needs_ipv6
def test_a_backend_answers_over_ipv6(sandbox, backend, frontend):
    rear = backend(sandbox().url, BACKEND_LISTEN_URL="tcp://[::1]:0")
    assert rear.urls[0].startswith("tcp://[::1]:")
    front = frontend(rear.urls).wait_ready()
    assert str(front.lookup("domain", "example.org")) == "OK 1"


def test_several_listeners_answer_at_once(rear, frontend, short_dir):
    paths = [short_dir / "a.sock", short_dir / "b.sock"]
    listen = f"127.0.0.1:0,{paths[0]}, localhost:0 ,{paths[1]}"
    front = frontend(rear.urls, SOCKETMAP_LISTEN_ADDR=listen).wait_ready()
    addresses = front.addresses("socketmap")
    assert len(addresses) >= 4
    assert {str(path) for path in paths} <= set(addresses)
    for address in addresses:
        with front.client(address) as client:
            assert str(client.lookup("domain", "example.org")) == "OK 1"


def test_a_backend_listens_on_several_addresses(sandbox, backend, frontend, short_dir):
    url = f"ipc://{short_dir}/rpc.sock"
    rear = backend(sandbox().url, BACKEND_LISTEN_URL=f"tcp://127.0.0.1:0,{url}")
    assert len(rear.urls) == 2 and url in rear.urls
    for address in rear.urls:
        front = frontend([address]).wait_ready()
        assert str(front.lookup("domain", "example.org")) == "OK 1"


def test_metrics_listen_on_several_addresses(rear, frontend):
    front = frontend(rear.urls, METRICS_LISTEN_ADDR="127.0.0.1:0,localhost:0")
    addresses = front.addresses("metrics")
    assert len(addresses) >= 2
    for address in addresses:
        assert fetch(f"http://{address}/health").status == 200


def taken_port():
    """A context in which a port of 127.0.0.1 is in use: yields its number."""
    return _TakenPort()


class _TakenPort:
    def __enter__(self):
        self._sock = socket.socket()
        self._sock.bind(("127.0.0.1", 0))
        self._sock.listen()
        return self._sock.getsockname()[1]

    def __exit__(self, *_):
        self._sock.close()


def start_frontend(**settings):
    """Run a frontend that is expected to give up at once."""
    env = {
        "SOCKETMAP_LISTEN_ADDR": "127.0.0.1:0",
        "METRICS_LISTEN_ADDR": "127.0.0.1:0",
        "BACKEND_URLS": "tcp://127.0.0.1:9",
        **settings,
    }
    return run([program_path("userli-bridge-frontend")], env, timeout=30)
