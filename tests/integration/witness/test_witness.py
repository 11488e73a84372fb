"""A witness signs logs that only grow, and whoever shows it something else is found out."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import count

import httpx
import pytest
from click.testing import CliRunner
from support.witnesses import PATIENCE_S, SomeLog, a_witness, free_port

from api.cli import main
from api.errors import WitnessError, WitnessRefusedError
from api.witness.client import submit
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.merkle import EMPTY_ROOT
from guardrails.log.notes import NoteSigner, add_signature, sign_note
from guardrails.log.verifier import open_note, parse_checkpoint, parse_vkey

LOGS = [SomeLog(f"log-{number}.example/decisions") for number in range(40)]
UNKNOWN = SomeLog("nobody-knows.example/decisions")
STRANGER = NoteSigner("stranger.example", bytes(32))


def make_keys(folder) -> list[str]:
    made = CliRunner().invoke(
        main,
        [
            "witness",
            "init",
            "--name",
            "witness.example/w1",
            "--key-file",
            str(folder / "witness.key"),
            "--post-quantum",
        ],
    )
    assert made.exit_code == 0, made.output
    return made.stdout.splitlines()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("witness")


@pytest.fixture(scope="module")
def keys(folder):
    return [parse_vkey(line) for line in make_keys(folder)]


@pytest.fixture(scope="module")
def witness(folder, keys):
    with a_witness(folder, [log.vkey for log in LOGS]) as running:
        yield running


_unused = count()


@pytest.fixture
def log():
    """A log that the witness knows, and has seen nothing of."""
    return LOGS[next(_unused)]


def advance(witness, log, old, new, **more):
    return submit(witness.url, old, log.proof(old, new), log.note(new, **more), PATIENCE_S)


def refusal(witness, log, old, new, proof=None):
    with pytest.raises(WitnessRefusedError) as caught:
        submit(witness.url, old, log.proof(old, new) if proof is None else proof, log.note(new), PATIENCE_S)
    return caught.value.status, caught.value.size


def post(witness, body):
    return httpx.post(f"{witness.url}/add-checkpoint", content=body, timeout=PATIENCE_S)


def monitored(witness, log):
    url = f"{witness.url}/{sha256(log.origin.encode()).hexdigest()}/checkpoint"
    return httpx.get(url, timeout=PATIENCE_S)


def test_a_log_that_grows_is_signed_each_time_with_every_key(witness, keys, log):
    before_s = int(time.time())
    for old, new in [(0, 0), (0, 5), (5, 8), (8, 8), (8, 64), (64, 100)]:
        note = log.note(new)
        for line in submit(witness.url, old, log.proof(old, new), note, PATIENCE_S):
            note = add_signature(note, line)
        text, signed = open_note(note.encode(), keys)
        assert parse_checkpoint(text) == (log.origin, new, log.root(new))
        assert [each.key for each in signed] == keys
        assert all(each.checked and before_s <= each.at_s <= time.time() for each in signed)


def test_the_first_tree_may_be_of_any_size(witness, log):
    assert len(advance(witness, log, 0, 77)) == 2


def test_monitors_are_shown_the_last_tree_with_the_signatures_of_log_and_witness_only(witness, keys, log):
    assert monitored(witness, log).status_code == 404
    advance(witness, log, 0, 5)
    lines = advance(witness, log, 5, 9, more=[STRANGER])
    shown = monitored(witness, log)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert shown.text == log.note(9) + "".join(lines)


@pytest.mark.parametrize("origin_hash", ["none", "0" * 64, sha256(UNKNOWN.origin.encode()).hexdigest()])
def test_there_is_nothing_to_show_of_other_logs(witness, origin_hash):
    assert httpx.get(f"{witness.url}/{origin_hash}/checkpoint").status_code == 404


def test_two_views_of_one_log_are_detected(witness, folder, log):
    advance(witness, log, 0, 20)
    other = log.forked(15)
    assert refusal(witness, other, 20, 20) == (422, None)
    assert refusal(witness, other, 20, 30) == (422, None)
    assert refusal(witness, other, 14, 20) == (409, 20)
    assert monitored(witness, log).text.startswith(log.note(20))
    with sqlite3.connect(folder / "witness.db") as conn:
        query = "SELECT size, seen, shown FROM contradictions WHERE origin = ?"
        kept = conn.execute(query, [log.origin]).fetchall()
    assert [(size, shown) for size, _, shown in kept] == [(20, other.note(20))]
    assert kept[0][1].startswith(log.note(20))


def test_a_log_cut_short_is_detected(witness, log):
    advance(witness, log, 0, 50)
    assert refusal(witness, log, 0, 40) == (409, 50)
    assert refusal(witness, log, 40, 45) == (409, 50)
    assert post(witness, b"old 50\n\n" + log.note(40).encode()).status_code == 400


def test_a_log_that_forked_and_grew_on_is_detected(witness, log):
    advance(witness, log, 0, 50)
    fork = log.forked(49)
    assert refusal(witness, fork, 50, 90) == (422, None)
    assert refusal(witness, fork, 50, 90, proof=log.proof(50, 90)) == (422, None)
    assert len(advance(witness, log, 50, 90)) == 2


def test_a_proof_that_is_none_is_refused(witness, log):
    assert refusal(witness, log, 0, 9, proof=[bytes(32)]) == (422, None)
    advance(witness, log, 0, 9)
    assert refusal(witness, log, 9, 20, proof=[]) == (422, None)
    assert refusal(witness, log, 9, 20, proof=[*log.proof(9, 20), bytes(32)]) == (422, None)
    assert refusal(witness, log, 9, 9, proof=[bytes(32)]) == (422, None)


def test_whoever_does_not_know_what_was_signed_last_is_told(witness, log):
    advance(witness, log, 0, 9)
    answer = post(witness, b"old 0\n\n" + log.note(20).encode())
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (
        409,
        "text/x.tlog.size",
        "9\n",
    )


def test_an_empty_tree_has_one_root_only(witness, log):
    wrong = sign_note(Checkpoint(log.origin, 0, bytes(32)).text(), [log.signer], 1)
    right = sign_note(Checkpoint(log.origin, 0, EMPTY_ROOT).text(), [log.signer], 1)
    assert post(witness, f"old 0\n\n{wrong}".encode()).status_code == 422
    assert post(witness, f"old 0\n\n{right}".encode()).status_code == 200


def test_a_log_that_is_not_known_is_not_signed(witness):
    assert refusal(witness, UNKNOWN, 0, 5) == (404, None)


def test_a_checkpoint_that_the_log_has_not_signed_is_not_signed(witness, log):
    text = Checkpoint(log.origin, 5, log.root(5)).text()
    other_key = NoteSigner(log.origin, bytes(32))
    by_others = sign_note(text, [STRANGER, other_key], 1)
    forged = f"{text}\n{log.note(6).splitlines(keepends=True)[-1]}"
    for note in (by_others, forged, by_others + log.note(6).splitlines(keepends=True)[-1]):
        assert post(witness, f"old 0\n\n{note}".encode()).status_code == 403
    assert monitored(witness, log).status_code == 404


def test_what_is_written_in_any_other_way_is_refused(witness, log):
    note = log.note(8).encode()
    line = b64encode(bytes(32)) + b"\n"
    bodies = [
        b"",
        b"old 0\n",
        b"old 0\n" + note,
        b"old 00\n\n" + note,
        b"old -1\n\n" + note,
        b"old \xd9\xa0\n\n" + note,
        b"old 0 \n\n" + note,
        b"size 0\n\n" + note,
        b"old 9\n\n" + note,
        b"old 4\nAAAA\n\n" + note,
        b"old 4\n" + line[:-2] + b"\n\n" + note,
        b"old 4\n" + line.replace(b"=", b"") + b"\n" + note,
        b"old 4\n" + line * 64 + b"\n" + note,
        b"old 4\r\n\r\n" + note,
        b"old 0\n\n" + note.replace(b"\n8\n", b"\n08\n"),
        b"old 0\n\n" + note.replace(b"\n8\n", b"\n\xff\n"),
        b"old 0\n\n" + note.partition(b"\n\n")[0] + b"\n",
    ]
    assert {post(witness, body).status_code for body in bodies} == {400}
    assert post(witness, b"old 4\n" + line * 63 + b"\n" + note).status_code == 409


def test_other_requests_are_answered_in_plain_text(witness):
    answers = [
        httpx.get(f"{witness.url}/add-checkpoint"),
        httpx.get(f"{witness.url}/"),
        post(witness, b"x" * 600_000),
    ]
    assert [answer.status_code for answer in answers] == [405, 404, 413]
    assert "POST" in answers[0].headers["allow"]
    assert {answer.headers["content-type"] for answer in answers} == {"text/plain; charset=utf-8"}


def test_of_two_branches_shown_at_once_no_more_than_one_is_ever_signed(witness, folder, log):
    signed: dict[int, bytes] = {}

    def show(asked, branch, old, new) -> int | None:
        start.wait(PATIENCE_S)
        try:
            advance(asked, branch, old, new)
        except WitnessRefusedError as error:
            return error.status
        assert signed.setdefault(new, branch.root(new)) == branch.root(new)
        return None

    true, size, statuses = log, 1, set()
    advance(witness, true, 0, size)
    with a_witness(folder, [log.vkey]) as twin, ThreadPoolExecutor(8) as threads:
        for _ in range(30):
            start = threading.Barrier(8)
            branches = [true, true.forked(size)]
            shown = [
                (asked, branch, size, size + more)
                for more in (1, 3)
                for asked in (witness, twin)
                for branch in branches
            ]
            statuses |= set(threads.map(show, *zip(*shown, strict=True)))
            size = max(signed)
            true = next(branch for branch in branches if branch.root(size) == signed[size])
    assert statuses == {None, 409}
    assert signed == {at: true.root(at) for at in signed}


def test_a_witness_killed_and_started_again_knows_what_it_has_signed(tmp_path, log):
    keys = [parse_vkey(line) for line in make_keys(tmp_path)]
    signed = [0]
    port = free_port()
    for _ in range(3):
        with a_witness(tmp_path, [log.vkey], port) as running:
            stop = threading.Timer(0.5, running.kill)
            stop.start()
            try:
                for old in count(signed[-1]):
                    new = min(old + 1, 100)
                    advance(running, log, min(old, 100), new)
                    signed.append(new)
            except WitnessRefusedError as error:
                # The answer to the last request before the kill may have been lost.
                assert (error.status, error.size) == (409, signed[-1] + 1)  # noqa: PT017  only where it refuses
                signed.append(error.size)
            except WitnessError:
                pass
            stop.join()
    with a_witness(tmp_path, [log.vkey], port) as running:
        text, _ = open_note(monitored(running, log).content, keys)
        size = parse_checkpoint(text).size
        assert size in {signed[-1], signed[-1] + 1}
        assert size > 0
        assert refusal(running, log.forked(size - 1), size, 100) == (422, None)
        assert len(advance(running, log, size, 100)) == 2


def test_a_witness_that_lost_its_store_signs_nothing(tmp_path, log):
    make_keys(tmp_path)
    with a_witness(tmp_path, [log.vkey]) as running:
        advance(running, log, 0, 5)
        (tmp_path / "witness.db").unlink()
        assert refusal(running, log.forked(1), 0, 5) == (503, None)


def test_it_stops_when_told_to(tmp_path, log):
    make_keys(tmp_path)
    with a_witness(tmp_path, [log.vkey]) as running:
        running.process.terminate()
        assert running.process.wait(PATIENCE_S) == 0


def test_the_private_key_is_for_its_owner_only_and_never_replaced(tmp_path):
    vkeys = make_keys(tmp_path)
    file = tmp_path / "witness.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [parse_vkey(vkey).kind for vkey in vkeys] == [0x04, 0x06]
    written = file.read_text()
    again = CliRunner().invoke(main, ["witness", "init", "--name", "w", "--key-file", str(file)])
    assert (again.exit_code, file.read_text()) == (1, written)
    assert "exists" in again.stderr


@pytest.mark.parametrize(
    ("key", "log", "said"),
    [
        ("", LOGS[0].vkey, "private key cannot be read"),
        ("nonsense\n", LOGS[0].vkey, "private key cannot be read"),
        (None, "nonsense", "`nonsense` is not the key of a log"),
    ],
)
def test_a_witness_that_cannot_do_its_duty_does_not_start(tmp_path, key, log, said):
    make_keys(tmp_path)
    file = tmp_path / "witness.key"
    if key is not None:
        file.write_text(key)
    options = ["--key-file", str(file), "--store", str(tmp_path / "witness.db"), "--log", log]
    started = CliRunner().invoke(main, ["witness", "serve", *options])
    assert started.exit_code == 1
    assert said in started.stderr


def test_a_port_that_is_taken_is_not_shared(witness, folder):
    options = ["--key-file", str(folder / "witness.key"), "--store", str(folder / "other.db")]
    port = witness.url.rpartition(":")[2]
    started = CliRunner().invoke(main, ["witness", "serve", *options, "--port", port, "--log", LOGS[0].vkey])
    assert (started.exit_code, "in use" in started.stderr) == (1, True)


def test_the_witness_needs_nothing_of_the_shops_storage():
    program = (
        "import sys, api.witness.server, api.witness.client\n"
        "shop = ('api.storage', 'api.wiring', 'sqlalchemy')\n"
        "print([each for each in sys.modules if each.startswith(shop)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
