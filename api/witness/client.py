"""Asking a witness to sign a checkpoint.

Source: c2sp.org/tlog-witness.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from api.errors import WitnessError, WitnessRefusedError
from api.witness.submission import write_submission

_DONE, _CONFLICT = 200, 409
_SIGNATURE = "— "
_MAX_ANSWER_BYTES = 256 * 1024
_MAX_SIZE_DIGITS = 19
_CONNECTIONS: dict[str, type[HTTPConnection]] = {"http": HTTPConnection, "https": HTTPSConnection}


def submit(url: str, old_size: int, proof: Sequence[bytes], note: str, timeout_s: float) -> list[str]:
    """Ask a witness to sign a checkpoint; return the signature lines it answers with.

    They are not checked: that takes the witness's key, and lines of keys that nobody knows are to be
    ignored.

    Args:
        url: where the witness takes checkpoints, without ``/add-checkpoint``.
        old_size: leaves of the tree it has signed last, as far as is known; 0 to ask.
        proof: the consistency proof from there to the checkpoint; empty from 0.
        note: the checkpoint, signed by the log.
        timeout_s: how long to wait for each step of the exchange, in seconds.

    Raises:
        WitnessRefusedError: it does not sign. With status 409 its ``size`` is that of the tree that the
            witness has signed last: ask again with the proof from there.
        WitnessError: it cannot be asked, or its answer cannot be read.
    """
    status, text = _post(
        f"{url.rstrip('/')}/add-checkpoint", write_submission(old_size, proof, note), timeout_s
    )
    if status == _CONFLICT:
        raise WitnessRefusedError(status, "the witness has signed another tree", size=_size(text))
    if status != _DONE:
        raise WitnessRefusedError(status, f"the witness answers with status {status}")
    lines = text.split("\n")
    if lines.pop() or not lines or not all(line.startswith(_SIGNATURE) for line in lines):
        raise WitnessError("the witness does not answer with signatures")
    return [f"{line}\n" for line in lines]


def _post(url: str, body: bytes, timeout_s: float) -> tuple[int, str]:
    """Post, following no redirection: what is sent is meant for this address only."""
    try:
        with closing(_connection(url, timeout_s)) as connection:
            connection.request(
                "POST", urlsplit(url).path, body, {"Content-Type": "text/plain; charset=utf-8"}
            )
            with connection.getresponse() as response:
                return response.status, _answer(response)
    except (OSError, HTTPException, ValueError):
        raise WitnessError("the witness cannot be reached, or does not answer as one") from None


def _connection(url: str, timeout_s: float) -> HTTPConnection:
    parts = urlsplit(url)
    if parts.scheme not in _CONNECTIONS or not parts.hostname:
        raise WitnessError("the address of the witness is not an http or https URL")
    return _CONNECTIONS[parts.scheme](parts.hostname, parts.port, timeout=timeout_s)


def _answer(response: HTTPResponse) -> str:
    answer = response.read(_MAX_ANSWER_BYTES + 1)
    if len(answer) > _MAX_ANSWER_BYTES:
        raise WitnessError("the witness's answer is absurdly long")
    return answer.decode()


def _size(text: str) -> int:
    size = text.removesuffix("\n")
    if not (size.isascii() and size.isdigit() and len(size) <= _MAX_SIZE_DIGITS):
        raise WitnessError("the witness does not tell what it has signed last")
    return int(size)
