"""A local HTTP server that fails by plan: one entry of its plan per request, and correct responses after that."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[["_Handler", bytes, int, int], None]
"""Answers one request: handler, the file, and the range [start, stop) that was requested."""


def status(code: int, retry_after: str | None = None) -> Behaviour:
    """Return a behaviour that sends an error page."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        body = b"<Error><Code>SlowDown</Code></Error>"
        handler.send_response(code)
        if retry_after is not None:
            handler.send_header("Retry-After", retry_after)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def redirect(to: str) -> Behaviour:
    """Return a behaviour that redirects to another url."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def error_page_with_status_200() -> Behaviour:
    """Return a behaviour that sends an error page as a cache may, with status 200."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        page = b'<?xml version="1.0"?><Error><Code>SlowDown</Code></Error>'
        handler.head(page, 0, len(page))
        handler.wfile.write(page)

    return answer


def reset(after: int) -> Behaviour:
    """Return a behaviour that sends this number of bytes, then a connection reset."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        handler.head(data, start, stop)
        handler.wfile.write(data[start : min(stop, start + after)])
        handler.wfile.flush()
        time.sleep(0.02)  # a reset overtakes bytes that are still on their way
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True

    return answer


def cut(after: int) -> Behaviour:
    """Return a behaviour that ends the body cleanly before its Content-Length."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        handler.head(data, start, stop)
        handler.wfile.write(data[start : min(stop, start + after)])
        handler.close_connection = True

    return answer


def stall(after: int, seconds: float) -> Behaviour:
    """Return a behaviour that sends this number of bytes, then nothing."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        handler.head(data, start, stop)
        handler.wfile.write(data[start : min(stop, start + after)])
        handler.wfile.flush()
        handler.server.stop_waiting.wait(seconds)
        handler.close_connection = True

    return answer


def drip(size: int, pause: float) -> Behaviour:
    """Return a behaviour that sends all bytes, a few at a time."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        handler.head(data, start, stop)
        for at in range(start, stop, size):
            handler.wfile.write(data[at : min(stop, at + size)])
            if handler.server.stop_waiting.wait(pause):
                return

    return answer


def becomes(content: bytes, then: Behaviour) -> Behaviour:
    """Return a behaviour that replaces the file from this request on."""

    def answer(handler: _Handler, data: bytes, start: int, stop: int) -> None:
        handler.server.files[handler.path] = content
        then(handler, content, start, min(stop, len(content)))

    return answer


def well(handler: _Handler, data: bytes, start: int, stop: int) -> None:
    """Send the file, or the requested range."""
    if start >= len(data) and handler.headers.get("Range") and handler.server.ranges:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(data)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.head(data, start, stop)
    handler.wfile.write(data[start:stop])


class BadServer(ThreadingHTTPServer):
    """Serves `files` (path -> bytes).

    Attributes:
        plan: what to do with the next requests, first come first served.
        always: path -> what to do with each request for it, once the plan is done.
        requests: (path, Range header or None) of every request.
        ranges, lengths, etags: whether range requests are understood, and what headers say.
        coding: Content-Encoding, if any.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.plan: list[Behaviour] = []
        self.always: dict[str, Behaviour] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.ranges = self.lengths = self.etags = True
        self.coding: str | None = None
        self.stop_waiting = threading.Event()
        self.lock = threading.Lock()

    @property
    def root(self) -> str:
        """The url of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, path: str, content: bytes) -> str:
        """Serve one more file; return its url."""
        self.files[path] = content
        return self.root + path

    def shutdown_request(self, request: socket.socket) -> None:
        """Close at once: a shutdown before it would turn a reset into a clean end."""
        self.close_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore a client that disconnects in the middle."""


@contextlib.contextmanager
def serving() -> Iterator[BadServer]:
    """Serve files until the body ends."""
    server = BadServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop_waiting.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: BadServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Follow the next entry of the plan."""
        server = self.server
        range_header = self.headers.get("Range")
        with server.lock:
            server.requests.append((self.path, range_header))
            behaviour = server.plan.pop(0) if server.plan else server.always.get(self.path, well)
        data = server.files.get(self.path)
        if data is None:
            status(404)(self, b"", 0, 0)
            return
        start, stop = 0, len(data)
        if range_header and server.ranges:
            first, _, last = range_header.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(stop, int(last) + 1) if last else stop
        behaviour(self, data, start, stop)

    def head(self, data: bytes, start: int, stop: int) -> None:
        """Send the status line and headers of a whole file or a range of it."""
        partial = bool(self.headers.get("Range")) and self.server.ranges and start < len(data)
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        if self.server.etags:
            self.send_header("ETag", f'"{hash(data):x}"')
        if self.server.coding:
            self.send_header("Content-Encoding", self.server.coding)
        if self.server.lengths:
            self.send_header("Content-Length", str(stop - start))
        else:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""
