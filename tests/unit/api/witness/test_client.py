"""Whatever answers instead of a witness, the log is told in one way that it has no signature."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from api.errors import WitnessError, WitnessRefusedError
from api.witness.client import submit
from api.witness.submission import read_submission
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import NoteSigner, sign_note

NOTE = sign_note(Checkpoint("log.example", 5, bytes(32)).text(), [NoteSigner("log.example", bytes(32))], 1)
LINE = "— witness.example AAAAAAAAAAA=\n"


@contextmanager
def answering(status, answer=b"", **headers):
    """A server that always gives the same answer; yields its address and what it was sent."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def ask(url, timeout_s=5.0):
    return submit(url, 2, [bytes(32), b"\1" * 32], NOTE, timeout_s)


@pytest.mark.parametrize("path", ["", "/", "/witness", "/witness/"])
def test_the_checkpoint_is_sent_as_it_is_and_the_signatures_come_back(path):
    with answering(200, (LINE + LINE).encode()) as (url, received):
        assert ask(url + path) == [LINE, LINE]
    asked_path, body = received[0]
    assert asked_path == f"{path.rstrip('/')}/add-checkpoint"
    submitted = read_submission(body)
    assert (submitted.old_size, submitted.proof) == (2, (bytes(32), b"\1" * 32))
    assert submitted.data == NOTE.encode()


def test_the_size_that_was_signed_last_is_told():
    with answering(409, b"17\n") as (url, _), pytest.raises(WitnessRefusedError) as caught:
        ask(url)
    assert (caught.value.status, caught.value.size) == (409, 17)


@pytest.mark.parametrize("status", [302, 400, 403, 404, 422, 500, 503])
def test_any_other_status_is_a_refusal_and_no_redirection_is_followed(status):
    with answering(status, b"<html>", Location="/elsewhere") as (url, received):
        with pytest.raises(WitnessRefusedError) as caught:
            ask(url)
        assert (caught.value.status, caught.value.size, len(received)) == (status, None, 1)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b""),
        (200, b"\n"),
        (200, b"<html>\n"),
        (200, LINE.encode()[:-1]),
        (200, LINE.encode() + b"\n"),
        (200, b"\xff\n"),
        (200, LINE.encode() * 20_000),
        (409, b""),
        (409, b"-1\n"),
        (409, b"9" * 20),
        (409, b"many\n"),
        (409, "٣\n".encode()),
    ],
)
def test_what_no_witness_would_answer_is_no_signature(status, answer):
    with answering(status, answer) as (url, _), pytest.raises(WitnessError) as caught:
        ask(url)
    assert not isinstance(caught.value, WitnessRefusedError)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "witness.example",
        "ftp://witness.example",
        "http://",
        "http://[::1",
        "http://127.0.0.1:1",
        "http://127.0.0.1:x",
    ],
)
def test_an_address_where_nobody_answers_is_told(url):
    with pytest.raises(WitnessError):
        ask(url)


def test_a_witness_that_does_not_answer_is_waited_for_no_longer_than_was_said():
    with (
        HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as deaf,
        pytest.raises(WitnessError, match="cannot be reached"),
    ):
        ask(f"http://127.0.0.1:{deaf.server_port}", timeout_s=0.05)
