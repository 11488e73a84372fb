"""Build the demo shop: every step is one that a shop takes too, with the same code.

A file beside the database says how far the building has come and which clock it went by, so a
start that was interrupted is taken up again, and a shop that stands is left as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from api.app import assemble
from api.console.passwords import hash_password
from api.demo.examples import ask_all
from api.demo.households import (
    NOTICE_ID,
    NOTICE_PURPOSES,
    NOTICE_TEXT,
    NOTICE_VERSION,
    Span,
    consent_records,
    profiling_span,
    story_of,
)
from api.demo.journey import (
    Purchases,
    data_folder,
    read_purchases,
    unit_prices,
    write_interactions,
    write_items,
)
from api.demo.state import (
    EXAMPLES_FILE,
    FORMAT,
    KEYS_FILE,
    PASSWORD,
    DemoState,
    Example,
    read_state,
    write_privately,
    write_state,
)
from api.demo.visitors import let_in
from api.imports.importer import ImportKind, ImportReport, Progress, import_file
from api.policies.shipped import shipped_policy
from api.settings import Settings
from api.storage.accounts import STAFF, create_account, find_by_name, set_password_hash
from api.storage.api_keys import Role, create_key
from api.storage.connection import open_engine, reading, upgrade, writing
from api.storage.items import load_catalogue
from api.storage.notices import put_notice
from api.storage.subjects import Subjects, open_subjects
from api.storage.versions import POLICY, activate, active, put_policy
from api.training import TrainingReport, train
from api.wiring import wire
from engine.catalogue import Catalogue
from guardrails.admit import SENSITIVE_FROM_TIER
from guardrails.consent.notices import Notice
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.consent.settings import ConsentSettings

SOURCE_FOLDER = "source"
TRAINING_BUDGET_S = 30.0
"""How long learning may take: somebody waits for the demo."""
ROLES = (Role.SITE, Role.MARKETER, Role.APPROVER, Role.AUDITOR, Role.ADMIN)

_NEVER = Span(0, 0)
_PASSWORD_BYTES = 12


class Stages(Protocol):
    """Shows the stages of the building to whoever waits for it."""

    def __call__(self, name: str) -> AbstractContextManager[Progress]:
        """Begin a stage; leaving it ends it. What it yields is told how far the stage has come."""


@dataclass(frozen=True, slots=True)
class Building:
    """What building did.

    Attributes:
        state: what is known about the shop.
        imports: reports of the three files, by kind.
        training: report of the training.
        keys: secret of each role's key, and the password of the accounts.
        examples: what the finished shop answered.
    """

    state: DemoState
    imports: Mapping[str, ImportReport]
    training: TrainingReport
    keys: Mapping[str, str]
    examples: list[Example]


def build_shop(settings: Settings, now_ms: int, stages: Stages) -> Building:
    """Build the demo shop, or finish building it.

    Args:
        settings: where it is to stand.
        now_ms: the clock, milliseconds since the epoch; a shop that was begun keeps its own.
        stages: shows the stages.

    Raises:
        DemoDataError: the data is not installed, or what was begun cannot be finished.
        StoreUnavailableError: the database cannot be used.
    """
    folder = data_folder()
    state = read_state(settings.data_dir) or DemoState(FORMAT, now_ms)
    engine = open_engine(settings)
    try:
        return _build(settings, engine, folder, state, stages)
    finally:
        engine.dispose()


def _build(settings: Settings, engine: Engine, folder: Path, state: DemoState, stages: Stages) -> Building:
    now_ms, source = state.clock_ms, settings.data_dir / SOURCE_FOLDER
    with stages("database, placements and policy"):
        upgrade(engine)
        source.mkdir(mode=0o700, parents=True, exist_ok=True)  # purchases and consents of everybody
        write_state(settings.data_dir, state)
        _put_policy_in_force(engine, now_ms)
        subjects = open_subjects(settings)
    with stages("reading Complete Journey"):
        purchases = read_purchases(folder, now_ms)
        prices = unit_prices(purchases.product, purchases.quantity, purchases.paid_minor)
    steps = _Steps(settings, engine, subjects, source, now_ms)
    imports: dict[str, ImportReport] = {}
    with stages("catalogue") as show:
        write_items(folder, prices, source / "items.jsonl")
        imports["items"] = steps.take_in("items", "items.jsonl", show)
    with stages("consents") as show:
        _put_notice(engine, now_ms)
        _write_consents(purchases, engine, settings, now_ms, source / "consents.jsonl")
        imports["consents"] = steps.take_in("consents", "consents.jsonl", show)
    with stages("purchases") as show:
        purposes = purposes_of(purchases, now_ms, settings.consent)
        write_interactions(purchases, purposes, source / "purchases.parquet")
        imports["interactions"] = steps.take_in("interactions", "purchases.parquet", show)
    with stages("training") as show:
        training = train(engine, settings, now_ms, show, budget_s=TRAINING_BUDGET_S)
    keys = _create_keys(engine, settings.data_dir, now_ms)
    with stages("examples and visitors") as show:
        examples = _open_doors(settings, keys, purchases, show)
        write_privately(settings.data_dir / EXAMPLES_FILE, [asdict(example) for example in examples])
    state = replace(
        state,
        weeks_moved=purchases.weeks_moved,
        last_purchase_ms=int(purchases.at_ms.max()),
        finished=True,
    )
    write_state(settings.data_dir, state)
    return Building(state, imports, training, keys, examples)


def _open_doors(
    settings: Settings, keys: Mapping[str, str], purchases: Purchases, show: Progress
) -> list[Example]:
    """Ask the examples of the shop, then let visitors in, so that there is a log to look into."""
    wiring = wire(settings)
    try:
        app = assemble(wiring)
        examples = ask_all(app, wiring, keys)
        sold = wiring.runtime.current().house.catalogue.idx_of_id
        stay_at_home = {str(example.request["customer_id"]) for example in examples}
        let_in(app, keys["site"], purchases, sold, stay_at_home, show)
        return examples
    finally:
        wiring.close()


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Takes files in as ``tactful import`` does."""

    settings: Settings
    engine: Engine
    subjects: Subjects
    source: Path
    now_ms: int

    def take_in(self, kind: ImportKind, name: str, show: Progress) -> ImportReport:
        """Import one of the files, and remove it: a copy of everybody's data is one too many."""
        file = self.source / name
        report = import_file(
            kind, file, None, self.engine, self.settings, self.subjects, show, None, self.now_ms
        )
        file.unlink()
        return report


def purposes_of(purchases: Purchases, now_ms: int, settings: ConsentSettings) -> NDArray[np.str_]:
    """Return the key of the purpose each purchase may be kept under, shape (n,).

    For the profile while the household's consent stood; as the fact of an order at any other time.
    """
    households, which = np.unique(purchases.household, return_inverse=True)
    spans = [profiling_span(story_of(int(each)), now_ms, settings) or _NEVER for each in households]
    from_ms = np.array([span.from_ms for span in spans])[which]
    until_ms = np.array([span.until_ms for span in spans])[which]
    stood = (purchases.at_ms >= from_ms) & (purchases.at_ms < until_ms)
    return np.where(stood, KEY_OF[Purpose.PROFILING], KEY_OF[Purpose.ESSENTIAL_SERVICE])


def classes_bought(purchases: Purchases, catalogue: Catalogue) -> dict[int, frozenset[str]]:
    """Return by household the sensitive classes it has bought goods of, as far as there are any."""
    sensitive, code = _sensitive(purchases, catalogue)
    pairs = np.unique(np.stack([purchases.household[sensitive], code[sensitive]]), axis=1)
    bought: dict[int, set[str]] = {}
    for household, class_code in pairs.T.tolist():
        bought.setdefault(household, set()).add(catalogue.sensitive_classes[class_code])
    return {household: frozenset(names) for household, names in bought.items()}


def _sensitive(purchases: Purchases, catalogue: Catalogue) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    idx = _rows_of(purchases.product, catalogue)
    return (idx >= 0) & (catalogue.tier[idx] >= SENSITIVE_FROM_TIER), catalogue.sensitive_class[idx]


def _rows_of(product: NDArray[np.int64], catalogue: Catalogue) -> NDArray[np.int64]:
    numbers, which = np.unique(product, return_inverse=True)
    rows = np.array([catalogue.idx_of_id.get(str(number), -1) for number in numbers.tolist()])
    return rows[which]


def _write_consents(
    purchases: Purchases, engine: Engine, settings: Settings, now_ms: int, target: Path
) -> None:
    with reading(engine) as conn:
        catalogue = load_catalogue(conn, settings.consent.raised_classes)
    bought = classes_bought(purchases, catalogue)
    with target.open("wb") as file:
        for household in np.unique(purchases.household).tolist():
            for record in consent_records(household, bought.get(household, frozenset()), now_ms):
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))


def _put_policy_in_force(engine: Engine, now_ms: int) -> None:
    with writing(engine) as conn:
        if POLICY not in active(conn):
            activate(conn, POLICY, put_policy(conn, shipped_policy(), now_ms), now_ms)


def _put_notice(engine: Engine, now_ms: int) -> None:
    notice = Notice(
        notice_id=NOTICE_ID,
        version=NOTICE_VERSION,
        language="en",
        jurisdiction="EU",
        text=NOTICE_TEXT,
        purposes=NOTICE_PURPOSES,
        material_change=False,
        effective_from_ms=0,  # the same in every run: a version that was shown is never changed
    )
    with writing(engine) as conn:
        put_notice(conn, notice, now_ms)


def _create_accounts(conn: Connection, now_ms: int) -> str:
    """Let somebody of each role sign in to the console, called as the role; return their password."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    hashed = hash_password(password)
    for role in STAFF:
        known = find_by_name(conn, role.value)
        if known is None:
            create_account(conn, role.value, role, now_ms, password_hash=hashed)
        else:  # the building was interrupted after they were made
            set_password_hash(conn, known[0].account_id, hashed)
    return password


def _create_keys(engine: Engine, data_dir: Path, now_ms: int) -> dict[str, str]:
    with writing(engine) as conn:
        made = {role.value: create_key(conn, role, "demo", now_ms)[1] for role in ROLES}
        made[PASSWORD] = _create_accounts(conn, now_ms)
        write_privately(data_dir / KEYS_FILE, made)
    return made
