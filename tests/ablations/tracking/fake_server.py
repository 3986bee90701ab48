"""An HTTP server that gives one answer to every request."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Answering(ThreadingHTTPServer):
    """Answers every request with `status` and `body`, or, without a status, not at all."""

    daemon_threads = True

    def __init__(self, status: int | None, body: bytes, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.status, self.body = status, body
        self.logins: list[str | None] = []
        """The header `Authorization` of every request."""


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.logins.append(self.headers.get("Authorization"))
        if self.server.status is None:
            time.sleep(1.5)
            return
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def answering(status: int | None, body: bytes, port: int = 0) -> Iterator[tuple[Answering, str]]:
    """A running server, and its address without a scheme; by default on a free port."""
    server = Answering(status, body, port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server, f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
