"""The load that judges the pool: it must not overlook what it is there for."""

import socket
import threading

import pytest
from support.load import Load
from support.socketmap import netstring
from support.wait import wait_until

QUESTIONS = 20


class Server:
    """Answers lookups "domain x<number>" of one connection after another."""

    def __init__(self, behave):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self.listener.getsockname())
        self.asked = 0
        self._behave = behave
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                while sock.recv(1000, socket.MSG_PEEK):
                    self.asked += 1
                    if self.asked == QUESTIONS:
                        self._behave(sock)
                    else:
                        sock.recv(1000)
                        sock.sendall(netstring(b"OK 1"))
            except OSError:
                pass
            sock.close()


def answer(data):
    def behave(sock):
        sock.recv(1000)
        sock.sendall(data)

    return behave


def answer_and_close(data):
    def behave(sock):
        answer(data)(sock)
        sock.shutdown(socket.SHUT_RDWR)

    return behave


def close_unread(sock):
    sock.close()


@pytest.fixture
def ask(keeper, tmp_path):
    """ask(behave): figures of one client; the 20th request is treated so."""
    expected = tmp_path / "expected"
    expected.write_text("domain x{}\tOK 1\n")

    def ask(behave):
        server = Server(behave)
        keeper.defer(server.listener.close)
        load = keeper.add(Load(expected, [server.address], clients=1, wait_ms=2))
        wait_until(lambda: server.asked > 2 * QUESTIONS, what="questions")
        return load.finish()

    return ask


@pytest.mark.parametrize(
    "behave, what",
    [
        (answer(netstring(b"OK 2")), "wrong"),
        (answer(netstring(b"NOTFOUND ")), "wrong"),
        (answer(netstring(b"OK 1 ")), "wrong"),
        (answer(b"rubbish, and more of it"), "wrong"),
        (answer(2 * netstring(b"OK 1")), "surplus"),
        (answer_and_close(b""), "lost"),
        (answer_and_close(b"4:OK"), "lost"),
    ],
)
def test_a_wrong_a_second_and_a_lost_reply_are_noticed(ask, behave, what):
    with pytest.raises(AssertionError, match=what):
        ask(behave)


@pytest.mark.parametrize("word", ("TEMP", "TIMEOUT", "PERM"))
def test_failures_are_counted_with_their_reasons(ask, word):
    figures = ask(answer(netstring(f"{word} because".encode())))
    assert figures[word.lower()] == figures.failed == 1
    assert figures["reasons"] == {f"{word} because": 1}
    assert figures.right >= QUESTIONS
    with pytest.raises(AssertionError, match="failed answers"):
        figures.check_answered()


def test_a_connection_closed_between_requests_is_no_lost_reply(ask):
    figures = ask(answer_and_close(netstring(b"OK 1")))
    assert figures["closed"] == 1 and figures["crossed"] == 0


def test_a_request_that_was_never_read_is_no_lost_reply(ask):
    assert ask(close_unread)["crossed"] == 1
