"""The one-shot client against a small real server that behaves as busy API servers and balancers do."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fleetloop.kube import Connection, NotFound, Unreachable
from fleetloop.kube.discovery import Resource
from fleetloop.kube.oneshot import OneShot

MAPS = Resource("v1", "ConfigMap", "configmaps", namespaced=True)


class Server(ThreadingHTTPServer):
    """Answers from `script`, then with an empty list; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.script: list[tuple[int, bytes]] = []
        self.asked: list[str] = []


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append(self.path)
        status, body = self.server.script.pop(0) if self.server.script else (200, b'{"items": []}')
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def client(port: int, seconds: float = 30.0) -> OneShot:
    connection = Connection(server=f"http://127.0.0.1:{port}")
    return OneShot(connection, field_manager="t", user_agent="t", remaining=lambda: seconds, known=[MAPS])


def test_a_busy_server_is_asked_again(server: Server) -> None:
    server.script = [(429, b"{}"), (429, b"{}")]
    assert client(server.server_port).list("v1", "ConfigMap", "demo") == []
    assert len(server.asked) == 3


def test_pages_are_joined_and_items_know_their_kind(server: Server) -> None:
    server.script = [
        (200, b'{"metadata": {"continue": "next"}, "items": [{"metadata": {"name": "a"}}]}'),
        (200, b'{"metadata": {"resourceVersion": "7"}, "items": [{"metadata": {"name": "b"}}]}'),
    ]
    items, version = client(server.server_port).list_with_version("v1", "ConfigMap", "demo", "app=x")
    assert ([(i["kind"], i["metadata"]["name"]) for i in items], version) == ([("ConfigMap", "a"), ("ConfigMap", "b")], "7")
    assert server.asked[1] == "/api/v1/namespaces/demo/configmaps?labelSelector=app%3Dx&limit=500&continue=next"


def test_a_refusal_is_the_servers_own_word(server: Server) -> None:
    server.script = [(404, b'{"kind": "Status", "reason": "NotFound", "message": "namespaces \\"x\\" not found"}')]
    with pytest.raises(NotFound, match='namespaces "x" not found'):
        client(server.server_port).create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "x"}})


def test_nobody_there() -> None:
    with socket.socket() as bound, pytest.raises(Unreachable, match="connection refused"):
        bound.bind(("127.0.0.1", 0))  # and not listening: the port is nobody else's either
        client(bound.getsockname()[1]).list("v1", "ConfigMap")


def test_a_server_that_says_nothing_meets_the_commands_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(TimeoutError):
        client(deaf.getsockname()[1], seconds=0.2).list("v1", "ConfigMap")
