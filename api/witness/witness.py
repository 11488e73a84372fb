"""What the witness signs, and what it does not.

Source: c2sp.org/tlog-witness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from api.errors import WitnessError, WitnessRefusedError
from api.witness.store import Seen, SeenTrees
from api.witness.submission import Submission, read_submission
from guardrails.log.merkle import EMPTY_ROOT
from guardrails.log.notes import Signer
from guardrails.log.verifier import InvalidError, VerifierKey, open_note, parse_vkey, verify_consistency

FORBIDDEN, UNKNOWN, CONFLICT, UNPROVED = 403, 404, 409, 422

_NOTHING = Seen(0, EMPTY_ROOT, "")


class Witness:
    """Signs checkpoints of the logs it knows, as long as they only grow.

    Args:
        trees: what it has seen so far.
        signers: its keys; each signs every checkpoint.
        logs: vkeys of the logs; the name of a log's key is the log's origin, and several keys may have it.
        now_s: the clock, in seconds since the epoch.

    Raises:
        WitnessError: a vkey cannot be read.
    """

    def __init__(
        self, trees: SeenTrees, signers: Sequence[Signer], logs: Iterable[str], now_s: Callable[[], int]
    ) -> None:
        self._trees = trees
        self._signers = tuple(signers)
        self._keys: dict[str, list[VerifierKey]] = {}
        self._now_s = now_s
        for vkey in logs:
            key = _read(vkey)
            self._keys.setdefault(key.name, []).append(key)
        self._origins = {sha256(origin.encode()).hexdigest(): origin for origin in self._keys}

    def add_checkpoint(self, body: bytes) -> str:
        """Sign a checkpoint if its tree holds the last one unchanged; return the signature lines.

        Checking and remembering is one transaction, and on the disk before anything is returned: no two
        trees are ever signed of which one does not go on from the other.

        Args:
            body: as ``write_submission`` writes it.

        Raises:
            WitnessRefusedError: it is not signed; the status says why.
            WitnessError: what was seen cannot be looked up now; nothing was signed.
        """
        submitted = read_submission(body)
        kept = self._verified_lines(submitted)
        text, (origin, size, root) = submitted.note.text, submitted.checkpoint
        with self._trees.writing() as known:
            last = known.last(origin) or _NOTHING
            refusal = _refusal(last, submitted)
            if refusal is None:
                lines = "".join(signer.line(text, self._now_s()) for signer in self._signers)
                known.remember(origin, Seen(size, root, f"{text}\n{kept}{lines}"))
            elif (last.size, last.root) != (size, root) and last.size == size:
                known.keep_contradiction(origin, last, Seen(size, root, f"{text}\n{kept}"))
        if refusal is not None:
            raise refusal
        return lines

    def checkpoint(self, origin_sha256: str) -> str:
        """Return the last checkpoint that was signed, with the log's signatures and these.

        Args:
            origin_sha256: SHA-256 of the log's origin, in lower-case hex.

        Raises:
            WitnessRefusedError: nothing was signed of such a log (404).
            WitnessError: what was seen cannot be looked up now.
        """
        origin = self._origins.get(origin_sha256)
        last = None if origin is None else self._trees.last(origin)
        if last is None:
            raise WitnessRefusedError(UNKNOWN, "no checkpoint of such a log was signed")
        return last.note

    def _verified_lines(self, submitted: Submission) -> str:
        """Return the signature lines that the log's own keys have made; others are not passed on."""
        keys = self._keys.get(submitted.checkpoint.origin)
        if keys is None:
            raise WitnessRefusedError(UNKNOWN, "the log is not known here")
        try:
            _, signed = open_note(submitted.data, keys)
        except InvalidError as error:
            raise WitnessRefusedError(FORBIDDEN, str(error)) from None
        good = {(each.key.name, each.key.key_id) for each in signed if each.checked}
        lines = submitted.data.decode().rpartition("\n\n")[2].split("\n")[:-1]
        by_line = zip(lines, submitted.note.signatures, strict=True)
        return "".join(f"{line}\n" for line, by in by_line if (by.name, by.key_id) in good)


def _refusal(last: Seen, submitted: Submission) -> WitnessRefusedError | None:
    """Return why a checkpoint that its log has signed is not signed here; ``None`` if nothing is wrong."""
    old, (_, size, root) = submitted.old_size, submitted.checkpoint
    if old != last.size:
        return WitnessRefusedError(
            CONFLICT, f"the last tree that was signed is of size {last.size}", size=last.size
        )
    if size == 0 and root != EMPTY_ROOT:
        return WitnessRefusedError(UNPROVED, "an empty tree has another root")
    if not verify_consistency(old, size, submitted.proof, last.root, root, from_empty=True):
        return WitnessRefusedError(UNPROVED, "the tree does not go on from the one that was signed last")
    return None


def _read(vkey: str) -> VerifierKey:
    try:
        return parse_vkey(vkey)
    except InvalidError as error:
        raise WitnessError(f"`{vkey}` is not the key of a log: {error}") from None
