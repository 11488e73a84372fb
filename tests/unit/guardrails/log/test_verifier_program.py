"""The verifier as a program: folders and zip files, hostile ones too, options, exit codes, words."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import zipfile

import pytest
from support.bundles import (
    LOG_KEY,
    OTHER_WITNESS,
    SOURCE,
    WITNESS,
    Log,
    decision,
    full_bundle,
    write_folder,
    write_zip,
)

from guardrails.log import bundle, verifier
from guardrails.log.verifier import (
    INCOMPLETE,
    TAMPERED,
    UNWITNESSED,
    VALID,
    InvalidError,
    check_bundle,
    main,
    open_bundle,
    parse_tile_path,
    tile_path,
)


@pytest.fixture(scope="module")
def files():
    return full_bundle(10)


@pytest.fixture(scope="module")
def log():
    return Log([decision(index) for index in range(10)])


@pytest.fixture
def zipped(files, tmp_path):
    return write_zip(files, tmp_path / "bundle.zip")


def zip_of(path, *members):
    """A zip file of (name or ZipInfo, content)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members:
            target.writestr(name, content)
    return path


def test_it_runs_alone_with_nothing_but_python(files, zipped, tmp_path):
    program = tmp_path / "verify.py"
    program.write_bytes(files["verify.py"])
    command = [
        sys.executable,
        "-I",
        "-S",
        program,
        zipped,
        "--log-key",
        LOG_KEY.vkey,
        "--witness",
        WITNESS.vkey,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (VALID, "")
    assert done.stdout.endswith("verdict: valid\n")
    assert files["verify.py"] == SOURCE


def test_its_exit_code_is_that_of_the_verdict(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["verify.py", str(tmp_path / "absent")])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(verifier.__file__, run_name="__main__")
    assert exit_.value.code == INCOMPLETE


def test_a_folder_and_a_zip_file_of_it_are_read_alike(files, zipped, tmp_path):
    folder = write_folder(files, tmp_path / "folder")
    assert main([str(folder)]) == main([str(zipped)]) == VALID
    for found in (open_bundle(folder), open_bundle(zipped)):
        assert dict(found) == files
        assert len(found) == len(files)
        with pytest.raises(KeyError):
            found["elsewhere"]


def test_a_folder_packed_again_with_entries_for_its_folders_is_read(files, tmp_path):
    members = [("tile/", b""), *files.items()]
    assert main([str(zip_of(tmp_path / "again.zip", *members))]) == VALID


def test_what_was_checked_is_said_line_by_line(zipped, capsys):
    assert main([str(zipped), "--decision", json.loads(decision(4))["id"]]) == VALID
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "ok: the bundle is of log `shop.example/log` with 10 entries, made by version `0.1.0`"
    assert lines[1].startswith(
        "ok: 10 entries (0 up to, not including, 10) are in canonical form and hash to"
    )
    assert (
        "note: keys inside a bundle prove nothing about who made it: name the one you were given" in lines[3]
    )
    assert lines[-1] == "verdict: valid"


def test_the_first_bad_index_is_said(log, tmp_path, capsys):
    entries = [*log.entries[:6], decision(6, n_cand=1), *log.entries[7:]]
    forged = Log(entries).bundle()
    changed = log.bundle() | {name: content for name, content in forged.items() if "entries" in name}
    folder = write_folder(changed, tmp_path / "forged")
    assert main([str(folder)]) == TAMPERED
    assert "first bad index: 6\nverdict: tampered\n" in capsys.readouterr().out
    assert main([str(folder), "--json"]) == TAMPERED
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["exit_code"], told["first_bad_index"]) == ("tampered", TAMPERED, 6)
    assert {"kind", "text", "index"} == set(told["checks"][0])


def test_options_reach_the_checks(log, zipped, tmp_path):
    older, receipt = tmp_path / "older", tmp_path / "receipt.tlog-proof"
    older.write_bytes(log.checkpoint(5))
    receipt.write_bytes(log.receipt(3, 8))
    assert main([str(zipped), "--older", str(older), "--receipt", str(receipt)]) == VALID
    assert main([str(zipped), "--range", "2:8"]) == VALID
    assert main([str(zipped), "--range", "2:11"]) == INCOMPLETE
    assert main([str(zipped), "--decision", "nobody"]) == INCOMPLETE
    assert main([str(zipped), "--witness", OTHER_WITNESS.vkey]) == UNWITNESSED
    assert main([str(zipped), "--witness", OTHER_WITNESS.vkey, "--allow-unwitnessed"]) == VALID
    assert main([str(zipped), "--log-key", "no key"]) == TAMPERED
    assert main([str(zipped), "--older", str(tmp_path / "absent")]) == INCOMPLETE


def test_a_receipt_is_checked_without_a_bundle(log, tmp_path):
    receipt = tmp_path / "receipt.tlog-proof"
    receipt.write_bytes(log.receipt(3, 8, extra=bundle.receipt_extra(log.entries[3], {})))
    arguments = ["--receipt", str(receipt), "--log-key", LOG_KEY.vkey]
    assert main(arguments) == UNWITNESSED
    assert main([*arguments, "--witness", WITNESS.vkey]) == VALID
    assert main(arguments[:2]) == INCOMPLETE
    assert main([]) == INCOMPLETE


@pytest.mark.parametrize("span", ["", "1", "1:", "-1:3", "a:b", "1:2:3"])
def test_a_range_that_is_none_is_refused(span):
    with pytest.raises(SystemExit) as exit_:
        main(["bundle", f"--range={span}"])
    assert exit_.value.code == 2


def test_help_says_what_exit_codes_mean(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "0 valid, 1 tampered, 2 incomplete, 3 valid but unwitnessed" in told


# --- what is no bundle ---


def test_nothing_at_the_path_is_incomplete(tmp_path, capsys):
    assert main([str(tmp_path / "absent.zip")]) == INCOMPLETE
    assert "there is no bundle" in capsys.readouterr().out


def test_a_path_that_cannot_be_read_is_incomplete(tmp_path, zipped):
    assert main([str(zipped / "inside")]) == INCOMPLETE


def test_what_is_no_zip_file_is_refused(tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(b"no zip file")
    assert main([str(path)]) == TAMPERED


@pytest.mark.parametrize(
    "name",
    [
        "../checkpoint",
        "/etc/passwd",
        "tile/../../checkpoint",
        "C:\\checkpoint",
        "tile/64/000",
        "tile/0/1",
        "policies/x.json",
        "disclosures/01.json",
        "notes\n\x1b[2J.txt",
    ],
)
def test_a_name_that_no_bundle_holds_is_refused(tmp_path, name, capsys):
    assert main([str(zip_of(tmp_path / "bundle.zip", (name, b"")))]) == TAMPERED
    told = capsys.readouterr().out
    assert "is not the name of a file that a bundle holds" in told
    assert told.isascii()
    assert "\x1b" not in told


def test_a_name_cut_at_a_zero_byte_is_refused(tmp_path):
    path = zip_of(tmp_path / "bundle.zip", ("checkpoint_x", b""))
    path.write_bytes(path.read_bytes().replace(b"checkpoint_x", b"checkpoint\0x"))
    assert main([str(path)]) == TAMPERED


def test_a_file_without_a_name_is_refused(tmp_path, capsys):
    path = zip_of(tmp_path / "bundle.zip", ("zzz", b""))
    path.write_bytes(path.read_bytes().replace(b"zzz", b"\0zz"))
    assert main([str(path)]) == TAMPERED
    assert "is not the name of a file that a bundle holds" in capsys.readouterr().out


def test_a_name_that_stands_twice_is_refused(tmp_path, capsys):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = zip_of(tmp_path / "bundle.zip", ("checkpoint", b"one"), ("checkpoint", b"two"))
    assert main([str(path)]) == TAMPERED
    assert "stands twice" in capsys.readouterr().out


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path, capsys):
    path = zip_of(tmp_path / "bundle.zip", ("checkpoint", bytes(50 << 20)))
    assert main([str(path)]) == TAMPERED
    assert "`checkpoint` is absurdly long" in capsys.readouterr().out


def test_many_files_that_each_unpack_to_much_are_refused_before_they_are_unpacked(tmp_path, capsys):
    bombs = [(f"policies/{number:064x}.json", bytes(30 << 20)) for number in range(2)]
    assert main([str(zip_of(tmp_path / "bundle.zip", *bombs))]) == TAMPERED
    assert "bundle.zip` is absurdly long" in capsys.readouterr().out


def test_a_manifest_much_longer_than_its_files_need_is_refused_before_it_is_parsed(files, monkeypatch):
    monkeypatch.setattr(verifier, "parse_manifest", None)
    report = check_bundle({**files, "MANIFEST.json": b"[" + b"[]," * (1 << 19) + b"[]]"})
    assert [line.text for line in report.lines] == [
        "`MANIFEST.json` is absurdly long for the files that there are"
    ]
    assert report.exit_code == TAMPERED


def test_a_zip_bomb_that_lies_about_its_size_is_not_unpacked(tmp_path):
    path = zip_of(tmp_path / "bundle.zip", ("MANIFEST.json", bytes(50 << 20)))
    size = (50 << 20).to_bytes(4, "little")
    path.write_bytes(path.read_bytes().replace(size, (10).to_bytes(4, "little")))
    assert main([str(path)]) == TAMPERED


def test_other_compressions_and_encryption_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w", zipfile.ZIP_BZIP2) as target:
        target.writestr("checkpoint", b"")
    assert main([str(tmp_path / "bundle.zip")]) == TAMPERED
    path = zip_of(tmp_path / "locked.zip", ("checkpoint", b"x"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    assert main([str(path)]) == TAMPERED


def test_a_file_too_long_in_a_folder_is_refused(tmp_path, files):
    folder = write_folder({**files, "tile/0/000.p/10": bytes(9000)}, tmp_path / "folder")
    assert main([str(folder)]) == TAMPERED


@pytest.mark.parametrize("target", ["checkpoint", "tile"])
def test_a_link_in_a_folder_is_refused(tmp_path, files, target):
    folder = write_folder(files, tmp_path / "folder")
    (folder / target).rename(tmp_path / "elsewhere")
    (folder / target).symlink_to(tmp_path / "elsewhere")
    assert main([str(folder)]) == TAMPERED


def test_a_pipe_in_a_folder_is_refused(tmp_path):
    os.mkfifo(tmp_path / "checkpoint")
    with pytest.raises(InvalidError, match="no file at all"):
        open_bundle(tmp_path)


def test_a_file_that_vanishes_while_it_is_read_makes_the_bundle_incomplete(tmp_path, files):
    folder = write_folder(files, tmp_path / "folder")
    found = open_bundle(folder)
    (folder / "checkpoint").unlink()
    assert check_bundle(found).exit_code == INCOMPLETE


def test_what_nobody_thought_of_is_no_crash(monkeypatch, zipped, capsys):
    def broken(path):
        raise MemoryError

    monkeypatch.setattr(verifier, "open_bundle", broken)
    assert main([str(zipped)]) == TAMPERED
    assert "the bundle cannot be read (MemoryError)" in capsys.readouterr().out


# --- paths of tiles ---


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/000", (0, 0, 256)),
        ("tile/0/x001/x234/067", (0, 1234067, 256)),
        ("tile/63/999.p/1", (63, 999, 1)),
        ("tile/entries/x001/000.p/255", (None, 1000, 255)),
    ],
)
def test_a_path_names_a_tile(path, tile):
    assert parse_tile_path(path) == tile
    assert tile_path(parse_tile_path(path)) == path


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/" + "x123/" * 2000 + "456",
    ],
)
def test_no_other_way_of_writing_a_path_is_understood(path):
    with pytest.raises(InvalidError):
        parse_tile_path(path)
