"""Everything that reads bytes from outside, in one table: what it is given, and what it may raise.

A parser returns or raises its own kind of error; anything else that it raises on some input is a defect.
Properties try each from seeds that are valid, ``tests/fuzz/fuzz_parsers.py`` for as long as it is let.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet
from support.bundles import Files, Log, decision

from api.batch.recipients import read_recipients
from api.errors import EdgeError, ImportFileError, WitnessRefusedError
from api.imports.batches import Batch
from api.imports.consents import CONSENT_FIELDS, read_consent
from api.imports.events import parse_events
from api.imports.fields import Record, TimeLimits
from api.imports.interactions import INTERACTION_FIELDS, read_interactions
from api.imports.items import ITEM_FIELDS, read_item
from api.imports.merchant import FEED_FIELDS, read_feed_item, read_xml_feed
from api.imports.readers import Fields, Reader, read_commas, read_json_lines, read_parquet, read_tabs
from api.languages import negotiated
from api.policies.model import read_policy
from api.policies.shipped import shipped_policy
from api.policies.text import Form, read_text, write_yaml
from api.rights.tokens import CustomerToken, seal, unseal
from api.settings import Settings
from api.tracing import caller_of
from api.witness.submission import read_submission, write_submission
from engine.interactions import DAY_MS
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings
from guardrails.consent.signals.gpc import gpc_from_header
from guardrails.consent.signals.reading import SignalSettings
from guardrails.consent.signals.registry import SIGNALS, read_signal
from guardrails.errors import LogError, PolicyError, RecordError, SignalError
from guardrails.log import verifier
from guardrails.log.checkpoint import Checkpoint
from guardrails.log.notes import NoteSigner, read_private_key, sign_note, text_of
from guardrails.log.packing import pack, unpack

_NOW_MS = 20_000 * DAY_MS
_SECRET = b"s" * 32
_SIGNER = NoteSigner("shop.example/log", b"k" * 32)
_CHECKPOINT = Checkpoint("shop.example/log", 3, b"r" * 32).text()
_NOTE = sign_note(_CHECKPOINT, [_SIGNER], 0)
_LOG = Log([decision(0), decision(1)])
_SETTINGS = Settings.from_env({})
_ASKED = SignalSettings(known_requests={"q1": KEY_OF[Purpose.PROFILING]})
_LIMITS = TimeLimits.around(_NOW_MS, 300)


@dataclass(frozen=True)
class Parser:
    """One way in.

    Attributes:
        name: what it reads.
        reads: takes bytes; returns what of them it could use, or raises one of ``refuses``.
        refuses: what it says no with.
        seeds: inputs of which it can use all that is to be read, to start from.
    """

    name: str
    reads: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    seeds: Sequence[bytes]

    def try_one(self, data: bytes) -> None:
        """Read one input; being refused is as good as being read.

        Raises:
            Exception: whatever the parser should not have raised.
        """
        try:
            self.reads(data)
        except self.refuses:
            return


Taken = Callable[[Batch], list[object]]


def _file_read_by(reader: Reader, fields: Fields, take: Taken) -> Callable[[bytes], object]:
    def reads(data: bytes) -> list[object]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            file.write_bytes(data)
            return [each for batch in reader(file, fields) for each in take(batch)]

    return reads


def _each_record(read: Callable[[Record], object]) -> Taken:
    def take(batch: Batch) -> list[object]:
        taken = []
        for _, record in batch.records():
            with suppress(EdgeError):
                taken.append(read(record))
        return taken

    return take


def _interactions(batch: Batch) -> list[object]:
    columns, _ = read_interactions(batch, _LIMITS)
    return list(columns.lines)


def _consent(record: Record) -> object:
    return read_consent(record, b"k" * 16, _LIMITS, ConsentSettings())


def _policy(form: Form) -> Callable[[bytes], object]:
    return lambda data: read_policy(read_text(data, form).plain)


def _events(data: bytes) -> object:
    try:
        payload = json.loads(data)
    except (ValueError, RecursionError):
        return []
    return parse_events(payload, None, _SETTINGS, _NOW_MS).good


def _signal(kind: str) -> Callable[[bytes], object]:
    def reads(data: bytes) -> object:
        try:
            value: object = json.loads(data)
        except (ValueError, RecursionError):
            value = data.decode("latin-1")
        return read_signal(kind, value, settings=_ASKED).answers

    return reads


def _recipients(file_format: str) -> Callable[[bytes], object]:
    return lambda data: read_recipients(io.StringIO(data.decode("latin-1")), file_format).recipients


def _note(data: bytes) -> object:
    return text_of(data.decode(errors="surrogateescape"))


def _bundle(data: bytes) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.zip"
        file.write_bytes(data)
        return verifier.check_bundle(verifier.open_bundle(file)).exit_code == verifier.VALID


def _zipped(files: Files) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def _parquet(columns: dict[str, list[object]]) -> bytes:
    written = io.BytesIO()
    parquet.write_table(pa.table(columns), written)
    return written.getvalue()


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode("latin-1"))


_EVENT = {
    "event_id": "e-1", "customer_id": "1", "item_id": "a", "kind": "view",
    "at": "2024-10-01T10:00:00Z",
}  # fmt: skip
_EVENT_IN_FILE = _EVENT | {"purpose": "personalize.content.profiling"}
_ITEM = {"item_id": "a", "title": "Milk", "category": "Food > Milk", "price": "2.79", "currency": "EUR"}
_CONSENT = {
    "customer_id": "1", "purpose": "personalize.content.profiling", "status": "given",
    "at": "2024-10-01T10:00:00Z",
}  # fmt: skip
_GA4 = {"client_id": "1", "events": [{"name": "view_item", "params": {"items": [{"item_id": "a"}]}}]}
_SEGMENT = {
    "type": "track", "event": "Product Viewed", "messageId": "m", "userId": "1",
    "properties": {"product_id": "a"},
}  # fmt: skip
_FEED = (
    b'<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><item>'
    b"<g:id>a</g:id><g:title>Milk</g:title><g:price>2.79 EUR</g:price></item></channel></rss>"
)
_TOKEN = seal(CustomerToken("1", 1, _NOW_MS, _NOW_MS + DAY_MS), _SECRET).encode()
_XDM = {"consents": {"share": {"val": "n"}, "marketing": {"email": {"val": "y"}}}}
_KETCH = {"purposes": {"data_sales": "denied"}, "legalBasis": {"data_sales": "consent_optout"}}
_SEEDS_OF_SIGNALS = {
    "tcf": b"CQq5IMAQq5IMANwABBENCvFgAM0gAAAAAAYgAAAAAAAA.IAAA.caQAAAAAAAA",
    "gpp": b"DBACNYA~CQq5IMAQq5IMANwABBENCvFgAM0gAAAAAAYgAAAAAAAA.IAAA.caQAAAAAAAA~1YNN",
    "consent_mode": b'{"ad_storage": "denied", "analytics_storage": "granted"}',
    "shopify": b'{"marketing": true, "analytics": "no", "saleOfData": null}',
    "xdm": json.dumps(_XDM).encode(),
    "ketch": json.dumps(_KETCH).encode(),
    "adpc": b"withdraw=*, consent=q1",
}


def _lines(*records: dict[str, str]) -> bytes:
    return b"\n".join(json.dumps(record).encode() for record in records)


def _separated(record: dict[str, str], by: str) -> bytes:
    return f"{by.join(record)}\n{by.join(record.values())}\n".encode()


PARSERS: Sequence[Parser] = (
    Parser("items, JSON lines", _file_read_by(read_json_lines, ITEM_FIELDS, _each_record(read_item)),
           (ImportFileError,), [_lines(_ITEM)]),
    Parser("items, CSV", _file_read_by(read_commas, ITEM_FIELDS, _each_record(read_item)),
           (ImportFileError,), [_separated(_ITEM, ",")]),
    Parser("items, Google Merchant TSV", _file_read_by(read_tabs, FEED_FIELDS, _each_record(read_feed_item)),
           (ImportFileError,), [b"id\ttitle\tprice\na\tMilk\t2.79 EUR\n"]),
    Parser("items, Google Merchant XML",
           _file_read_by(read_xml_feed, FEED_FIELDS, _each_record(read_feed_item)),
           (ImportFileError,), [_FEED]),
    Parser("events, JSON lines", _file_read_by(read_json_lines, INTERACTION_FIELDS, _interactions),
           (ImportFileError,), [_lines(_EVENT_IN_FILE)]),
    Parser("events, CSV", _file_read_by(read_commas, INTERACTION_FIELDS, _interactions),
           (ImportFileError,), [_separated(_EVENT_IN_FILE, ",")]),
    Parser("events, Parquet", _file_read_by(read_parquet, INTERACTION_FIELDS, _interactions),
           (ImportFileError,), [_parquet({name: [value] for name, value in _EVENT_IN_FILE.items()})]),
    Parser("consents, JSON lines", _file_read_by(read_json_lines, CONSENT_FIELDS, _each_record(_consent)),
           (ImportFileError,), [_lines(_CONSENT)]),
    Parser("events over HTTP", _events, (EdgeError,),
           [json.dumps(each).encode() for each in ({"events": [_EVENT]}, _GA4, _SEGMENT)]),
    *(
        Parser(f"signal {kind}", _signal(kind), (SignalError,), [_SEEDS_OF_SIGNALS[kind]])
        for kind in SIGNALS
    ),
    Parser("header Sec-GPC", _text(gpc_from_header), (), [b"1"]),
    Parser("header Accept-Language", _text(negotiated), (), [b"nn-NO, sv;q=0.8, en;q=0.5"]),
    Parser("header traceparent", _text(caller_of), (), [b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"]),
    Parser("a policy, YAML", _policy(Form.YAML), (PolicyError, EdgeError),
           [write_yaml(shipped_policy()).encode()]),
    Parser("a policy, JSON", _policy(Form.JSON), (PolicyError, EdgeError),
           [b'{"policy": "house", "limits": {"G17.upsell_hard": 0.3}, "rules": []}']),
    Parser("a customer's token", _text(lambda text: unseal(text, _SECRET)), (), [_TOKEN]),
    Parser("recipients, JSON lines", _recipients("jsonl"), (), [b'{"customer_id": "1"}']),
    Parser("recipients, CSV", _recipients("csv"), (), [b"customer_id\n1\n"]),
    Parser("a witness's request", read_submission, (WitnessRefusedError,),
           [write_submission(0, [b"h" * 32], _NOTE)]),
    Parser("a checkpoint", _text(Checkpoint.parse), (LogError,), [_CHECKPOINT.encode()]),
    Parser("a signed note", _note, (LogError,), [_NOTE.encode()]),
    Parser("a private key", _text(read_private_key), (LogError,), [_SIGNER.private_key.encode()]),
    Parser("a packed record", unpack, (RecordError,), [pack(b'{"req":{}}')]),
    Parser("verifier, a bundle", _bundle, (verifier.InvalidError, verifier.IncompleteError),
           [_zipped(_LOG.bundle(verifier=b"# none\n"))]),
    Parser("verifier, a receipt", verifier.parse_receipt, (verifier.InvalidError,),
           [_LOG.receipt(0, 2)]),
    Parser("verifier, a key", _text(verifier.parse_vkey), (verifier.InvalidError,), [_SIGNER.vkey.encode()]),
    Parser("verifier, canonical JSON", verifier.parse_canonical, (verifier.InvalidError,),
           [b'{"a":1,"b":["x",null,true]}']),
)  # fmt: skip
"""Every way in."""
