"""Files imported into a real store, on both databases."""

import csv
import io
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from support.shops import an_event
from support.stores import NOW_MS, store_items

from api.errors import ImportFileError, StoreUnavailableError
from api.imports import readers
from api.imports.importer import READERS, import_file
from api.imports.interactions import INTERACTION_FIELDS
from api.storage.connection import open_engine, reading, writing
from api.storage.consents import append_events, read_events, read_ledger
from api.storage.customers import all_customer_ids, customer_numbers, set_preferences
from api.storage.holds import read_holds
from api.storage.items import item_numbers, read_item
from api.storage.notices import put_notice
from api.storage.tables import interactions
from engine.interactions import DAY_MS
from engine.vocabulary import Channel, Kind, Provenance, word
from guardrails.consent.events import WHOLE_SUBJECT, Status
from guardrails.consent.notices import Notice
from guardrails.consent.purposes import KEY_OF, Purpose
from guardrails.request import SubjectKind

CASES = Path(__file__).parents[2] / "cases" / "imports"
PROFILING = "personalize.content.profiling"
AT = "2024-03-01T12:00:00Z"


@pytest.fixture
def importing(store, tmp_path):
    """Import into the store; rejects go to the test's own folder."""

    def run(kind, path, **options):
        options.setdefault("rejects_path", tmp_path / f"{path.name}.rejects.jsonl")
        chosen = options.pop("file_format", None)
        return import_file(
            kind, path, chosen, store.engine, store.settings, store.subjects, now_ms=NOW_MS, **options
        )

    return run


def rejects_of(report):
    if report.rejects_path is None:
        return []
    return [orjson.loads(line) for line in report.rejects_path.read_bytes().splitlines()]


def stored_rows(store):
    """Everything that was stored about interactions, whatever the order."""
    columns = [column for column in interactions.columns if column.name != "interaction_no"]
    with reading(store.engine) as conn:
        return sorted(map(repr, conn.execute(select(*columns)).all()))


def counts(report):
    return report.read, report.inserted, report.changed, report.unchanged, report.rejected


def write_csv(path, rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json_lines(path, rows):
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return path


def write_parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


WRITERS = {"csv": write_csv, "jsonl": write_json_lines, "parquet": write_parquet}


def a_purchase(**changes):
    return {
        "customer_id": "anna",
        "item_id": "i1",
        "kind": "purchase",
        "at": AT,
        "purpose": PROFILING,
        "value": "2.50",
        **changes,
    }


def test_items_are_stored_changed_and_left_alone(store, importing, tmp_path):
    report = importing("items", CASES / "items.csv")
    assert counts(report) == (9, 2, 0, 0, 7)
    assert [(reject["line"], reject["field"]) for reject in rejects_of(report)] == [
        (4, "price"),
        (5, "item_id"),
        (6, "currency"),
        (7, "available"),
        (8, "age_group"),
        (9, "shop_class"),
        (10, "item_id"),
    ]
    assert rejects_of(report)[0]["record"]["item_id"] == "bread-2"
    assert counts(importing("items", CASES / "items.csv")) == (9, 0, 0, 2, 7)
    with reading(store.engine) as conn:
        assert read_item(conn, "wine-1").sensitive_class == "alcohol"
    dearer = write_csv(
        tmp_path / "i.csv", [{"item_id": "bread-1", "title": "Bread, dark", "price": 3, "currency": "EUR"}]
    )
    assert counts(importing("items", dearer)) == (1, 0, 1, 0, 0)


def test_an_item_that_is_not_utf_8_is_named_but_not_repeated(importing, tmp_path):
    (tmp_path / "items.csv").write_bytes(b"item_id,title\na,Caf\xe9\nb,Tea\n")
    report = importing("items", tmp_path / "items.csv")
    assert counts(report) == (2, 1, 0, 0, 1)
    assert rejects_of(report) == [{"line": 2, "field": "title", "reason": "is not valid UTF-8"}]


@pytest.mark.parametrize("name", ["feed.xml", "feed_atom.xml", "feed.tsv"])
def test_a_feed_is_imported_by_the_end_of_its_name_and_once(importing, name):
    first, second = (importing("items", CASES / name) for _ in range(2))
    assert first.inserted >= 1
    assert (second.inserted, second.changed, second.unchanged) == (0, 0, first.inserted)
    assert second.rejected == first.rejected


def test_a_truncated_feed_keeps_what_came_before_the_break(importing, tmp_path):
    whole = (CASES / "feed.xml").read_bytes()
    (tmp_path / "feed.xml").write_bytes(whole[: whole.index(b"<g:id>lamp-1")])
    report = importing("items", tmp_path / "feed.xml")
    assert counts(report) == (3, 2, 0, 0, 1)
    assert "the feed breaks off" in rejects_of(report)[0]["reason"]


@pytest.mark.parametrize("suffix", WRITERS)
def test_interactions_come_out_as_they_went_in(store, importing, tmp_path, suffix):
    item_no = store_items(store, "i1")["i1"]
    row = a_purchase(event_id="e1", session_id="visit", channel="app", is_gift=True, quantity=3)
    report = importing("interactions", WRITERS[suffix](tmp_path / f"rows.{suffix}", [row]))
    assert counts(report) == (1, 1, 0, 0, 0)
    with reading(store.engine) as conn:
        found = conn.execute(select(interactions)).one()
        assert all_customer_ids(conn) == ["anna"]
    assert (found.item_no, found.kind, found.channel) == (item_no, Kind.PURCHASE, Channel.APP)
    assert (found.at_ms, found.purpose, found.is_gift) == (1_709_294_400_000, Purpose.PROFILING, True)
    assert (found.quantity, found.value_minor) == (3, 250)
    assert found.session_key == store.subjects.session("visit")


def test_equal_rows_are_two_facts_and_stay_two_in_whatever_format_they_come_again(
    store, importing, tmp_path, monkeypatch
):
    store_items(store, "i1", "i2")
    monkeypatch.setattr(readers, "BATCH_SIZE", 2)
    rows = [a_purchase(), a_purchase(item_id="i2"), a_purchase(), a_purchase()]
    for number, (suffix, write) in enumerate(WRITERS.items()):
        report = importing("interactions", write(tmp_path / f"rows.{suffix}", rows))
        assert counts(report) == ((4, 0, 0, 4, 0) if number else (4, 4, 0, 0, 0))


def test_a_bad_row_is_named_without_anything_of_it_and_the_good_ones_are_kept(store, importing, tmp_path):
    store_items(store, "i1")
    rows = [
        a_purchase(),
        a_purchase(item_id="gone"),
        a_purchase(at="2199-01-01T00:00:00Z"),
        a_purchase(at="1971-01-01T00:00:00Z"),
        a_purchase(kind="anna"),
        a_purchase(customer_id=""),
        a_purchase(customer_id="berta"),
    ]
    report = importing("interactions", write_csv(tmp_path / "rows.csv", rows))
    assert counts(report) == (7, 2, 0, 0, 5)
    assert rejects_of(report) == [
        {"line": 3, "field": "item_id", "reason": "is not in the catalogue"},
        {"line": 4, "field": "at", "reason": "lies in the future"},
        {"line": 5, "field": "at", "reason": "is too long ago"},
        {
            "line": 6,
            "field": "kind",
            "reason": "is none of view, cart, remove_from_cart, wishlist, purchase, rating, return",
        },
        {"line": 7, "field": "customer_id", "reason": "is missing, and so is `session_id`"},
    ]


def refuses(store, customer_id, purpose, status, at_ms=NOW_MS):
    event = an_event(purpose, status, record_id=f"{customer_id} {purpose} {at_ms}", at_ms=at_ms)
    with writing(store.engine) as conn:
        append_events(conn, store.subjects.account(customer_id), SubjectKind.ACCOUNT, [event], at_ms)


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_a_customer_does_not_permit_to_be_profiled_is_refused_and_named(
    store, importing, tmp_path, suffix
):
    store_items(store, "i1")
    against = {
        "anna": (PROFILING, Status.CONSENT_WITHDRAWN, "WITHDRAWN"),
        "bert": (PROFILING, Status.CONSENT_REFUSED, "DENIED"),
        "carl": (PROFILING, Status.OBJECTION_RAISED, "OBJECTED"),
        "dora": (WHOLE_SUBJECT, Status.RESTRICTED, "RESTRICTED"),
    }
    for customer_id, (purpose, status, _) in against.items():
        refuses(store, customer_id, purpose, status)
    with writing(store.engine) as conn:
        set_preferences(
            conn, customer_numbers(conn, ["emil"], store.subjects, NOW_MS)["emil"], non_profiled=True
        )
    whys = {each: why for each, (_, _, why) in against.items()} | {"emil": "NON_PROFILED"}
    rows = [a_purchase(customer_id=each) for each in ("fred", *whys)]
    report = importing("interactions", WRITERS[suffix](tmp_path / f"rows.{suffix}", rows))
    assert counts(report) == (6, 1, 0, 0, 5)
    named = [(reject["field"], reject["reason"]) for reject in rejects_of(report)]
    assert named == [("purpose", f"the customer does not permit profiling ({why})") for why in whys.values()]
    with reading(store.engine) as conn:
        assert set(all_customer_ids(conn)) == {"emil", "fred"}


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_others_collected_is_kept_of_those_alone_who_agreed_to_that(store, importing, tmp_path, suffix):
    store_items(store, "i1")
    refuses(store, "anna", KEY_OF[Purpose.ENRICHMENT], Status.CONSENT_GIVEN)
    refuses(store, "bert", KEY_OF[Purpose.ENRICHMENT], Status.CONSENT_WITHDRAWN)
    rows = [
        a_purchase(event_id=f"{who} {word(provenance)}", customer_id=who, provenance=word(provenance))
        for who in ("anna", "bert", "carl")
        for provenance in Provenance
    ]
    rows.append(a_purchase(event_id="nothing said", customer_id="dora", provenance=None))
    report = importing("interactions", WRITERS[suffix](tmp_path / f"rows.{suffix}", rows))
    assert counts(report) == (13, 7, 0, 0, 6)
    reasons = {(reject["field"], reject["reason"]) for reject in rejects_of(report)}
    assert reasons == {
        ("provenance", f"the customer does not permit what others collected ({why})")
        for why in ("WITHDRAWN", "PENDING")
    }
    with reading(store.engine) as conn:
        kept = conn.execute(select(interactions.c.provenance)).scalars().all()
    assert sorted(kept) == [0, 0, 0, 0, 1, 2, 3]


def test_what_was_bought_for_a_funeral_within_the_year_holds_back(store, importing, tmp_path):
    store_items(store, "urn", google_category_id=5607)
    store_items(store, "i1")
    days_ago = {"anna": 10, "bert": 100, "carl": 400}
    rows = [
        a_purchase(customer_id=who, item_id="urn", at=None, at_ms=NOW_MS - days * DAY_MS)
        for who, days in days_ago.items()
    ]
    rows += [
        a_purchase(customer_id="dora", item_id="urn", kind="view"),
        a_purchase(customer_id="emil"),
    ]
    report = importing("interactions", write_json_lines(tmp_path / "rows.jsonl", rows))
    assert report.rejected == 0
    with reading(store.engine) as conn:
        held = {
            who: [hold.kind.value for hold in read_holds(conn, [store.subjects.account(who)])]
            for who in (*days_ago, "dora", "emil")
        }
    assert held == {"anna": ["offers", "topics"], "bert": ["topics"], "carl": [], "dora": [], "emil": []}


@pytest.mark.parametrize(
    ("purpose", "status", "at_ms"),
    [
        (PROFILING, Status.CONSENT_GIVEN, NOW_MS),
        (PROFILING, Status.CONSENT_EXPIRED, NOW_MS),
        (PROFILING, Status.CONSENT_WITHDRAWN, NOW_MS + 1),
        ("third_party_sharing", Status.CONSENT_REFUSED, NOW_MS),
        (WHOLE_SUBJECT, Status.RESTRICTION_LIFTED, NOW_MS),
    ],
)
def test_what_no_choice_is_against_is_kept_for_what_the_shop_says(
    store, importing, tmp_path, purpose, status, at_ms
):
    store_items(store, "i1")
    refuses(store, "anna", purpose, status, at_ms)
    assert importing("interactions", write_csv(tmp_path / "rows.csv", [a_purchase()])).inserted == 1


def test_the_facts_of_an_order_are_kept_of_who_permits_no_profile_and_so_are_visits(
    store, importing, tmp_path
):
    store_items(store, "i1")
    refuses(store, "anna", PROFILING, Status.CONSENT_WITHDRAWN)
    rows = [a_purchase(purpose="essential.service"), a_purchase(customer_id="", session_id="visit")]
    assert counts(importing("interactions", write_csv(tmp_path / "rows.csv", rows))) == (2, 2, 0, 0, 0)


def test_whoever_permits_no_profile_is_found_among_any_number(store, importing, tmp_path):
    store_items(store, "i1")
    names = [f"customer-{number}" for number in range(600)]
    for each in (names[0], names[-1]):
        refuses(store, each, PROFILING, Status.CONSENT_WITHDRAWN)
    path = write_json_lines(tmp_path / "rows.jsonl", [a_purchase(customer_id=each) for each in names])
    assert counts(importing("interactions", path)) == (600, 598, 0, 0, 2)


BREAK = {
    "item_id": ["nowhere", ""],
    "kind": ["", "bought", "View"],
    "at": ["", "yesterday", "2024-02-30T00:00:00Z", "1980-01-01T00:00:00Z", "2199-01-01T00:00:00Z"],
    "customer_id": ["", "a\x01b"],
    "quantity": ["0", "-1", "two"],
    "value": ["-1", "1.005", "x"],
    "channel": ["fax"],
    "purpose": ["everything"],
}
breaks = st.sampled_from([(field, value) for field, values in BREAK.items() for value in values])
good_rows = st.builds(
    a_purchase,
    customer_id=st.sampled_from(["anna", "berta", "çelik"]),
    item_id=st.sampled_from(["i1", "i2"]),
    kind=st.sampled_from(["view", "purchase", "rating"]),
    at=st.sampled_from([AT, "2024-03-01T12:00:00.250+02:00"]),
    quantity=st.sampled_from(["", "1", "2"]),
    channel=st.sampled_from(["", "web", "in_store"]),
)
some_rows = st.lists(st.tuples(good_rows, st.none() | breaks), min_size=1, max_size=12)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_rows, st.sampled_from(["csv", "jsonl"]), st.integers(1, 400))
def test_every_bad_row_is_named_by_its_line_every_good_one_is_kept_and_twice_is_once(
    store, importing, tmp_path, drawn, suffix, block
):
    store_items(store, "i1", "i2")
    with writing(store.engine) as conn:
        conn.execute(delete(interactions))
    rows = [row if damage is None else {**row, damage[0]: damage[1]} for row, damage in drawn]
    first_line = 2 if suffix == "csv" else 1
    bad_lines = {first_line + n: damage[0] for n, (_, damage) in enumerate(drawn) if damage is not None}
    path = WRITERS[suffix](
        tmp_path / f"rows.{suffix}", [{"quantity": "", "channel": "", **row} for row in rows]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "BLOCK_BYTES", block)
        patch.setattr(readers, "BATCH_SIZE", max(1, block // 50))
        first = importing("interactions", path)
        after_first = stored_rows(store)
        second = importing("interactions", path)
    assert {reject["line"]: reject["field"] for reject in rejects_of(first)} == bad_lines
    assert first.inserted == len(after_first) == len(rows) - len(bad_lines)
    assert stored_rows(store) == after_first
    assert counts(second) == (len(rows), 0, 0, first.inserted, first.rejected)
    assert rejects_of(second) == rejects_of(first)


MAIN_NOTICE = Notice(
    notice_id="main",
    version="3",
    language="en",
    jurisdiction="EU",
    text="May we?",
    purposes=(PROFILING, "marketing.communications.email"),
    material_change=False,
    effective_from_ms=0,
)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"notice_version": "4"}, "notice_id"),
        ({"notice_id": "other"}, "notice_id"),
        ({"notice_version": ""}, "notice_version"),
        ({"purpose": "third_party_sharing"}, "notice_id"),
    ],
)
def test_consent_under_a_notice_that_does_not_say_it_is_rejected(store, importing, tmp_path, changes, field):
    with writing(store.engine) as conn:
        put_notice(conn, MAIN_NOTICE, 1)
    row = {"customer_id": "anna", "purpose": PROFILING, "status": "given", "at": AT}
    row |= {"notice_id": "main", "notice_version": "3"}
    report = importing("consents", WRITERS["csv"](tmp_path / "c.csv", [row, row | changes]))
    assert counts(report) == (2, 1, 0, 0, 1)
    assert [reject["field"] for reject in rejects_of(report)] == [field]


def test_consents_are_projected_once_and_bad_ones_named(store, importing):
    with writing(store.engine) as conn:
        put_notice(conn, MAIN_NOTICE, 1)
    report = importing("consents", CASES / "consents.csv")
    assert counts(report) == (13, 4, 0, 1, 8)
    assert {reject["line"]: reject["field"] for reject in rejects_of(report)} == {
        6: "",
        7: "purpose",
        8: "status",
        9: "at",
        10: "at",
        11: "channels",
        12: "record_id",
        13: "customer_id",
    }
    again = importing("consents", CASES / "consents.csv")
    assert counts(again) == (13, 0, 0, 5, 8)
    anna = store.subjects.account("anna")
    with reading(store.engine) as conn:
        assert len(read_events(conn, anna)) == 2
        ledger = read_ledger(conn, anna)
    assert ledger.get(PROFILING).status is Status.CONSENT_GIVEN
    assert ledger.get("marketing.communications.email").channels == {Channel.EMAIL}
    assert not any(name in orjson.dumps(rejects_of(report)).decode() for name in ("anna", "berta", "carla"))


@pytest.mark.parametrize("suffix", WRITERS)
def test_consents_may_come_in_every_format(store, importing, tmp_path, suffix):
    row = {"customer_id": "anna", "purpose": PROFILING, "status": "withdrawn", "at": AT}
    assert counts(importing("consents", WRITERS[suffix](tmp_path / f"c.{suffix}", [row]))) == (1, 1, 0, 0, 0)
    with reading(store.engine) as conn:
        ledger = read_ledger(conn, store.subjects.account("anna"))
    assert ledger.get(PROFILING).status is Status.CONSENT_WITHDRAWN


@pytest.mark.parametrize("suffix", WRITERS)
def test_progress_ends_at_the_whole_of_the_file(store, importing, tmp_path, monkeypatch, suffix):
    store_items(store, "i1")
    monkeypatch.setattr(readers, "BATCH_SIZE", 10)
    rows = [a_purchase(event_id=str(number)) for number in range(95)]
    told = []
    importing(
        "interactions",
        WRITERS[suffix](tmp_path / f"rows.{suffix}", rows),
        progress=lambda done, total, message: told.append((done, total, message)),
    )
    assert told[-1][0] == told[-1][1]
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][2] == "95 kept, 0 rejected"


def test_rejects_of_an_earlier_import_do_not_outlive_it(store, importing, tmp_path):
    store_items(store, "i1")
    path = write_csv(tmp_path / "rows.csv", [a_purchase(kind="")])
    rejects = importing("interactions", path, rejects_path=None).rejects_path
    assert rejects == tmp_path / "rows.csv.rejects.jsonl"
    write_csv(path, [a_purchase()])
    assert importing("interactions", path, rejects_path=None).rejects_path is None
    assert not rejects.exists()


def test_a_file_that_cannot_be_imported_as_a_whole_is_refused(store, importing, tmp_path):
    rows = write_csv(tmp_path / "rows.csv", [a_purchase()])
    with pytest.raises(ImportFileError, match="cannot be read: no such file"):
        importing("interactions", tmp_path / "gone.csv")
    with pytest.raises(ImportFileError, match="is not known: it is one of jsonl, csv, parquet"):
        importing("interactions", rows.rename(tmp_path / "rows.dat"))
    with pytest.raises(ImportFileError, match="`google-xml` is no format of consents"):
        importing("consents", tmp_path / "rows.dat", file_format="google-xml")
    with pytest.raises(ImportFileError, match="cannot import `orders`"):
        importing("orders", tmp_path / "rows.dat")
    with pytest.raises(ImportFileError, match="the rejects cannot be written"):
        importing(
            "interactions", write_csv(tmp_path / "bad.csv", [a_purchase(kind="")]), rejects_path=tmp_path
        )


def test_a_column_that_is_not_known_refuses_the_file(importing, tmp_path):
    with pytest.raises(ImportFileError, match="column 7 has an unknown name"):
        importing("interactions", write_csv(tmp_path / "rows.csv", [a_purchase(colour="red")]))


def test_every_kind_can_be_read_in_every_format_it_names():
    assert {kind: set(formats) for kind, formats in READERS.items()} == {
        "items": {"jsonl", "csv", "google-xml", "google-tsv"},
        "interactions": {"jsonl", "csv", "parquet"},
        "consents": {"jsonl", "csv", "parquet"},
    }


def test_an_import_that_was_interrupted_is_finished_by_the_next_one(store, importing, tmp_path, monkeypatch):
    store_items(store, "i1")
    monkeypatch.setattr(readers, "BATCH_SIZE", 10)
    path = write_parquet(tmp_path / "rows.parquet", [a_purchase(quantity=1 + n % 3) for n in range(50)])

    def stop_half_way(done, total, message):
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        importing("interactions", path, progress=stop_half_way)
    assert counts(importing("interactions", path)) == (50, 30, 0, 20, 0)


def test_an_unusable_database_is_said_to_be_one(sqlite_store, tmp_path):
    path = write_csv(tmp_path / "rows.csv", [a_purchase()])
    Path(sqlite_store.engine.url.database).unlink()
    engine = open_engine(sqlite_store.settings)
    with pytest.raises(StoreUnavailableError):
        import_file("interactions", path, None, engine, sqlite_store.settings, sqlite_store.subjects)
    engine.dispose()


def test_memory_does_not_grow_with_the_file(sqlite_store, tmp_path):
    """The longest file held at once is a run of records, whatever the file's length."""
    store_items(sqlite_store, "i1")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["event_id", "customer_id", "item_id", "kind", "at_ms"])
    writer.writerows([str(n), "anna", "i1", "purchase", 1_709_294_400_000] for n in range(90_000))
    (tmp_path / "rows.csv").write_text(text.getvalue())
    sizes = [
        len(batch) for batch in READERS["interactions"]["csv"](tmp_path / "rows.csv", INTERACTION_FIELDS)
    ]
    assert sum(sizes) == 90_000
    assert max(sizes) <= readers.BATCH_SIZE


def test_what_items_are_called_is_the_same_in_a_file_of_interactions(store, importing, tmp_path):
    """An id may be written with composed or with decomposed characters."""
    items = write_csv(tmp_path / "items.csv", [{"item_id": "caf\u00e9", "title": "Coffee"}])
    importing("items", items)
    report = importing("interactions", write_csv(tmp_path / "rows.csv", [a_purchase(item_id="cafe\u0301")]))
    assert report.inserted == 1
    with reading(store.engine) as conn:
        assert list(item_numbers(conn)) == ["caf\u00e9"]
