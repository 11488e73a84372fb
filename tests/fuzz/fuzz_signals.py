"""Throws bytes at every decoder of consent signals.

    PYTHONPATH=.:tests python tests/fuzz/fuzz_signals.py [libFuzzer options] [folder of inputs]

With atheris installed (it is no dependency of the project) the inputs are guided by coverage; without
it they are mutated blindly for as long as ``-max_total_time=<seconds>`` says. A finding ends the run; its
input goes to ``corpus.txt`` beside this file, in hexadecimal, which the unit tests replay.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import random
import sys
import time
from pathlib import Path

from support.signals import expected_of, grants, purposes_said, said

from guardrails.consent.ledger import ConsentEvent, validate
from guardrails.consent.purposes import Purpose, entry_of
from guardrails.consent.signals.reading import PURPOSE_KEYS, Reading, SignalSettings
from guardrails.consent.signals.registry import SIGNALS, read_signal
from guardrails.errors import SignalError

HERE = Path(__file__).parent
KINDS = tuple(SIGNALS)
TEXTS = ("tcf", "gpp", "adpc")
SETTINGS = (
    SignalSettings(known_requests={"q1": "personalize.content.profiling", "q2": "sensitive.health"}),
    SignalSettings(
        accept_tcf_2_2_without_disclosed_vendors=False,
        profiling_declaration="declaration-1",
        ketch_purposes={"mine": "personalize.content.profiled"},
    ),
)


def value_from(kind: str, data: bytes, *, packed: bool) -> object:
    """Return what the decoder is given: a text, bits packed into one, or a JSON value."""
    if kind not in TEXTS:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return data.decode("latin-1")
    if not packed:
        return data.decode("latin-1")
    sections = [
        ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in section.split(b"|."))
        for section in data.split(b"|~")
    ]
    return "~".join(sections)


def try_one(data: bytes) -> None:
    """Decode one input: it is refused, or the reading keeps every promise that holds without context."""
    if len(data) < 1:
        return
    kind = KINDS[data[0] % len(KINDS)]
    settings = SETTINGS[data[0] // 16 % 2]
    value = value_from(kind, data[1:], packed=bool(data[0] & 128))
    try:
        reading = read_signal(kind, value, settings=settings)
    except SignalError:
        return
    keeps_promises(reading, kind)
    if kind == "tcf":
        spoken = purposes_said(str(value))
        assert said(reading) == ({} if spoken is None else expected_of(*spoken)), "a second reader agrees"
    if kind == "gpp" and grants(reading):
        assert any(section.startswith("C") for section in str(value).split("~")), "only a TC string grants"


def keeps_promises(reading: Reading, kind: str) -> None:
    """Check what holds for every reading."""
    assert reading.signal == kind
    assert len(reading.sha256) == 64
    assert reading.known_child in (None, True)
    places = [PURPOSE_KEYS.index(answer.purpose) for answer in reading.answers]
    assert places == sorted(set(places)), "one answer for each purpose, in the order of the register"
    for answer in reading.answers:
        at_ms = answer.at_ms or reading.at_ms or 0
        validate(
            ConsentEvent(
                record_id="1",
                purpose=answer.purpose,
                status=answer.status,
                at_ms=at_ms,
                valid_until_ms=None,
                channels=answer.channels,
                data_categories=None,
                notice_id=None,
                notice_version=None,
                method="import",
                actor=f"import:{kind}",
                explicit=False,
                confirmed_override=False,
            )
        )
        assert not (answer.grants and entry_of(answer.purpose).purpose is Purpose.SENSITIVE)
        assert not (
            answer.grants and entry_of(answer.purpose).purpose is Purpose.ENRICHMENT and kind != "adpc"
        )


def corpus() -> list[bytes]:
    """Return the kept inputs: seeds of every kind, and whatever was ever found."""
    lines = (HERE / "corpus.txt").read_text(encoding="ascii").splitlines()
    return [bytes.fromhex(line) for line in lines if line and not line.startswith("#")]


def mutate_blindly(seconds: float) -> int:
    """Mutate the corpus at random for a while; return how many inputs were tried."""
    generator = random.Random(7)
    seeds = corpus()
    n_tried = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = bytearray(generator.choice(seeds))
        for _ in range(generator.randint(1, 8)):
            at = generator.randrange(len(data) + 1)
            data[at : at + generator.randint(0, 2)] = generator.randbytes(generator.randint(0, 2))
        try:
            try_one(bytes(data))
        except BaseException:
            print("input:", bytes(data).hex())
            raise
        n_tried += 1
    return n_tried


def main() -> None:
    """Run with atheris if it is there, else blindly."""
    if importlib.util.find_spec("atheris"):
        atheris = importlib.import_module("atheris")
        atheris.instrument_all()
        atheris.Setup(sys.argv, try_one)
        atheris.Fuzz()
        return
    given = [argument.partition("=")[2] for argument in sys.argv if argument.startswith("-max_total_time=")]
    n_tried = mutate_blindly(float(given[0]) if given else 10.0)
    print(f"atheris is not installed: {n_tried} inputs mutated blindly, nothing found")


if __name__ == "__main__":
    main()
