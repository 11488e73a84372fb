import csv
import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tries import tries

from api.errors import ImportFileError
from api.imports import readers
from api.imports.readers import Fields, read_commas, read_json_lines, read_parquet, read_tabs

ABC = Fields(known=frozenset({"a", "b", "c"}), required=(("a",), ("b", "c")))


def everything(read, path, fields=ABC):
    """All records by line, and what was refused, over all batches."""
    found, refused = {}, {}
    for batch in read(path, fields):
        found |= dict(batch.records())
        refused |= {reject.line: reject for reject in batch.unreadable}
    return found, refused


@pytest.fixture
def file(tmp_path):
    def write(content, name="file"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_good_lines_of_json_are_read_and_bad_ones_named(file):
    path = file('{"a": 1}\n\nnot json\n[1]\n{"a": 2, "z": 3}\n{"a": 4}')
    found, refused = everything(read_json_lines, path)
    assert found == {1: {"a": 1}, 6: {"a": 4}}
    assert {line: (reject.field, reject.reason) for line, reject in refused.items()} == {
        3: ("", "is not a JSON object"),
        4: ("", "is not a JSON object"),
        5: ("z", "is not a known field"),
    }


def test_a_line_that_is_too_long_does_not_fill_the_memory_and_hides_no_other(file, monkeypatch):
    monkeypatch.setattr(readers, "MAX_LINE_BYTES", 64)
    monkeypatch.setattr(readers, "BLOCK_BYTES", 16)
    for read, head, good in ((read_json_lines, "", '{"a": 1}'), (read_commas, "a,b\n", "1,2")):
        first = 1 + bool(head)
        found, refused = everything(read, file(f"{head}{good}\n{'x' * 1000}\n{good}\n"))
        assert sorted(found) == [first, first + 2]
        assert list(refused) == [first + 1]
        assert "line longer than 1000000 bytes" in refused[first + 1].reason
        _, refused = everything(read, file(f"{head}{good}\n{'x' * 1000}"))
        assert list(refused) == [first + 1]


def test_quoted_fields_may_span_lines_and_the_line_of_a_record_is_its_first(file):
    found, refused = everything(read_commas, file('a,b\r\n1,"two\r\nlines"\r\n3,"fo""ur"\r\n5,6\r\n'))
    assert found == {
        2: {"a": "1", "b": "two\r\nlines"},
        4: {"a": "3", "b": 'fo"ur'},
        5: {"a": "5", "b": "6"},
    }
    assert not refused


def test_a_quote_left_open_costs_one_line_and_not_the_rest_of_the_file(file):
    lines = [f"{n},x" for n in range(3, 3000)]
    found, refused = everything(read_commas, file("\n".join(["a,b", '2,"open', *lines])))
    assert [(reject.line, reject.reason) for reject in refused.values()] == [
        (2, "is not well formed: a quote is left open")
    ]
    assert found == {n: {"a": str(n), "b": "x"} for n in range(3, 3000)}


def test_a_row_of_another_length_is_named(file):
    found, refused = everything(read_commas, file("a,b\n1,2\n1,2,3\n\n4\n5,6"))
    assert sorted(found) == [2, 6]
    assert {line: reject.reason for line, reject in refused.items()} == {
        3: "has 3 fields where the header has 2",
        5: "has 1 fields where the header has 2",
    }


def test_bytes_that_are_not_utf_8_stay_recognisable(file):
    found, _ = everything(read_commas, file(b"a,b\n1,caf\xe9\n2,good\n"))
    assert found[3] == {"a": "2", "b": "good"}
    with pytest.raises(UnicodeEncodeError):
        found[2]["b"].encode()


def test_a_byte_order_mark_is_passed_over(file):
    assert everything(read_commas, file(b"\xef\xbb\xbfa,b\n1,2\n"))[0] == {2: {"a": "1", "b": "2"}}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "has no header"),
        ("a,secret-id\n", "column 2 has an unknown name"),
        ("a,a,b\n", "column `a` appears twice"),
        ("b,c\n", "column `a` is missing"),
        ("a\n", "column `b` or `c` is missing"),
    ],
)
def test_a_header_that_will_not_do_is_refused_without_repeating_it(file, content, reason):
    with pytest.raises(ImportFileError, match=reason) as caught:
        everything(read_commas, file(content))
    assert "secret-id" not in str(caught.value)


def test_headings_may_be_spelt_differently(file):
    spelt = Fields(known=frozenset({"a_b"}), spelling=lambda heading: heading.lower().replace(" ", "_"))
    assert everything(read_tabs, file("A b\nx\n"), spelt)[0] == {2: {"a_b": "x"}}


def test_a_file_that_is_not_there_is_named(tmp_path):
    for read in (read_json_lines, read_commas, read_parquet):
        with pytest.raises(ImportFileError, match="`gone` cannot be read: no such file or directory"):
            everything(read, tmp_path / "gone")


def test_parquet_rows_are_numbered_and_read_as_they_are_meant(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "BATCH_SIZE", 2)
    table = pa.table({"a": pa.array(["x", "y", None]).dictionary_encode(), "b": pa.array([1, 2, 3])})
    pq.write_table(table, tmp_path / "t.parquet")
    found, _ = everything(read_parquet, tmp_path / "t.parquet")
    assert found == {1: {"a": "x", "b": 1}, 2: {"a": "y", "b": 2}, 3: {"a": None, "b": 3}}


def test_however_parquet_stores_text_and_time_they_are_read_alike(tmp_path):
    moment = datetime(2024, 3, 1, 12, tzinfo=UTC)
    columns = {
        "a": pa.array(["x"], pa.large_string()),
        "b": pa.array([moment], pa.timestamp("ns", "Europe/Berlin")),
        "c": pa.array([moment.replace(tzinfo=None)], pa.timestamp("ms")),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    (batch,) = read_parquet(tmp_path / "t.parquet", ABC)
    assert [str(batch.column(name).type) for name in "abc"] == [
        "string",
        "timestamp[us, tz=UTC]",
        "timestamp[us]",
    ]
    assert batch.record(0) == {"a": "x", "b": moment, "c": moment.replace(tzinfo=None)}


def test_a_damaged_parquet_file_is_refused(tmp_path, file):
    pq.write_table(pa.table({"a": [1] * 1000, "b": [2] * 1000}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for damaged in (b"", b"PAR1", whole[: len(whole) // 2], whole[:50] + b"\x00" * 60 + whole[110:]):
        with pytest.raises(ImportFileError):
            everything(read_parquet, file(damaged))


cells = st.text(st.sampled_from('ab ,\t"\n\r;é\x0b\u2028'), max_size=6)


@tries(80)
@given(st.lists(st.tuples(cells, cells), max_size=12), st.booleans(), st.integers(8, 64))
def test_whatever_a_spreadsheet_writes_is_read_back_with_its_line(tmp_path_factory, rows, quote_all, block):
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL)
    writer.writerow(["a", "b"])
    lines = []
    for row in rows:
        lines.append(1 + text.getvalue().count("\n"))
        writer.writerow(row)
    path = tmp_path_factory.mktemp("csv") / "file.csv"
    path.write_bytes(text.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "BLOCK_BYTES", block)
        found, refused = everything(read_commas, path)
    assert not refused
    assert found == {line: {"a": a, "b": b} for line, (a, b) in zip(lines, rows, strict=True)}


@tries(80)
@given(st.binary(max_size=300), st.integers(1, 64))
def test_whatever_bytes_a_file_holds_it_is_read_or_refused_and_every_line_is_accounted_for(
    tmp_path_factory, content, block
):
    path = tmp_path_factory.mktemp("noise") / "file"
    path.write_bytes(b"a,b\n" + content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "BLOCK_BYTES", block)
        batches = list(read_commas(path, ABC))
    assert batches == [] or batches[-1].done == path.stat().st_size
    assert all(1 < line <= 2 + content.count(b"\n") for batch in batches for line in batch.lines)
    assert sum(len(batch.unreadable) for batch in read_json_lines(path, ABC)) >= 1


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=5)), max_size=20))
def test_json_lines_come_back_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("jsonl") / "file.jsonl"
    rows = [
        {key: value for key, value in row.items() if not isinstance(value, int) or abs(value) < 2**63}
        for row in rows
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    found, refused = everything(read_json_lines, path)
    assert list(found.values()) == rows
    assert not refused


def test_a_parquet_file_whose_names_are_no_text_is_refused(tmp_path):
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"item_id": ["a"]}), path)
    path.write_bytes(path.read_bytes().replace(b"item_id", b"item\xd3id"))
    with pytest.raises(ImportFileError, match="not a readable Parquet file"):
        list(read_parquet(path, Fields(frozenset({"item_id"}))))
