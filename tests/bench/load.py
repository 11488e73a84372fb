"""A small closed-loop HTTP client over raw sockets: cheap enough to share two cores with the server.

Each connection sends its next request when the last answer is complete. That measures what a server
can do at most; latencies under it are those of a busy server, not of a quiet one.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Load:
    """What came of one run; times in milliseconds."""

    requests: int
    failures: int
    per_second: float
    p50_ms: float
    p99_ms: float


def home_page(customer: str) -> bytes:
    """Return the body of a request for ten suggestions on the home page."""
    return json.dumps({"customer_id": customer, "placement": "home", "count": 10}).encode()


def request_bytes(path: str, body: bytes, key: str | None = None) -> bytes:
    """Return a POST request as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", "Content-Type: application/json"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + _HEAD_END + body


def measure(port: int, requests: Sequence[bytes], *, seconds: float, connections: int = 8) -> Load:
    """Send the requests in turn over several connections for so many seconds."""
    turns = itertools.cycle(requests)
    lock = threading.Lock()
    latencies: list[float] = []
    failures = 0
    end = time.perf_counter() + seconds

    def next_request() -> bytes:
        with lock:
            return next(turns)

    def connection() -> None:
        nonlocal failures
        own: list[float] = []
        bad = 0
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (start := time.perf_counter()) < end:
                sock.sendall(next_request())
                bad += not read_answer(sock).startswith(b"HTTP/1.1 2")
                own.append(time.perf_counter() - start)
        with lock:
            latencies.extend(own)
            failures += bad

    threads = [threading.Thread(target=connection) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    latencies.sort()
    return Load(
        requests=len(latencies),
        failures=failures,
        per_second=len(latencies) / seconds,
        p50_ms=1000 * latencies[len(latencies) // 2],
        p99_ms=1000 * latencies[int(len(latencies) * 0.99)],
    )


def read_answer(sock: socket.socket) -> bytes:
    """Read one answer with a Content-Length."""
    data = b""
    while _HEAD_END not in data:
        data += _more(sock)
    head, _, body = data.partition(_HEAD_END)
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += _more(sock)
    return head


def _more(sock: socket.socket) -> bytes:
    chunk = sock.recv(65536)
    if not chunk:
        raise ConnectionError("the server closed the connection")
    return chunk
