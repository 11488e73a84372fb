"""Bundles as they are exported are valid; whatever an attacker does to one is found.

Attackers mend the manifest after their work: it is a list, not a signature.
"""

from __future__ import annotations

import json

import pytest
from support.bundles import (
    LOG_KEY,
    MODEL,
    MODEL_FORMAT,
    MODEL_VERSION,
    NEW_LOG_KEY,
    ORIGIN,
    OTHER_WITNESS,
    POLICY,
    POLICY_VERSION,
    START,
    WITNESS,
    Log,
    decision,
    entries_in,
    full_bundle,
    mended,
    other,
    rotation,
    sections_of,
    with_entries,
)

from guardrails.log import bundle, tiles
from guardrails.log.canonical import canonical
from guardrails.log.notes import MlDsaCosigner, NoteSigner
from guardrails.log.verifier import (
    INCOMPLETE,
    TAMPERED,
    UNWITNESSED,
    VALID,
    Asked,
    check_bundle,
    check_receipt,
    parse_vkey,
)

KEY = parse_vkey(LOG_KEY.vkey)
N = 300


@pytest.fixture(scope="module")
def log():
    return Log([decision(index) for index in range(N)])


@pytest.fixture
def files(log):
    return log.bundle()


@pytest.fixture(scope="module")
def full():
    return full_bundle(N)


def texts(report):
    return "\n".join(line.text for line in report.lines)


def assert_tampered(files, index=None, asked=None, saying=""):
    report = check_bundle(files, asked or Asked())
    assert report.exit_code == TAMPERED, texts(report)
    assert report.first_bad_index == index
    assert saying in texts(report)


@pytest.mark.parametrize("n", [0, 1, 2, 255, 256, 257, 300, 511, 512, 513])
def test_a_bundle_of_any_size_is_valid(n):
    report = check_bundle(Log([decision(index) for index in range(n)]).bundle())
    assert report.exit_code == VALID, texts(report)
    assert report.verdict == "valid"
    assert report.first_bad_index is None


def test_a_bundle_with_three_levels_of_tiles_is_valid():
    files = Log([other("heartbeat")] * 65_600).bundle(span=(65_590, 65_600))
    asked = Asked(span=(65_590, 65_600))
    assert check_bundle(files, asked).exit_code == VALID
    files["tile/1/000"] = bytes(32) + files["tile/1/000"][32:]
    report = check_bundle(mended(files), asked)
    assert report.exit_code == TAMPERED
    assert report.first_bad_index == 0
    assert "entries 0 to 65535" in texts(report)


def test_a_bundle_with_every_kind_of_file_is_valid(full):
    report = check_bundle(full, Asked(log_keys=(KEY,), witnesses=(parse_vkey(WITNESS.vkey),)))
    assert report.exit_code == VALID, texts(report)
    assert "what is disclosed of entry 3 is what was recorded: cand, consent, out, req, rules" in texts(
        report
    )
    assert {line.kind for line in report.lines} == {"ok"}
    assert report.to_plain()["exit_code"] == VALID


def test_an_edited_entry_is_found(files):
    entries = entries_in(files)
    entries[270] = decision(270, n_shown=4)
    assert_tampered(with_entries(files, entries), 270)


@pytest.mark.parametrize("field", sorted(json.loads(decision(0))))
def test_a_bit_flipped_in_any_field_of_an_entry_is_found(files, field):
    entries = entries_in(files)
    at = entries[7].index(f'"{field}":'.encode()) + len(field) + 4
    entries[7] = entries[7][:at] + bytes([entries[7][at] ^ 1]) + entries[7][at + 1 :]
    assert_tampered(with_entries(files, entries), 7)


def test_a_deleted_entry_is_found(files):
    entries = entries_in(files)
    del entries[20]
    report = check_bundle(with_entries(files, entries))
    assert report.exit_code in {TAMPERED, INCOMPLETE}
    smaller = Log(entries).bundle(checkpoint=files["checkpoint"])
    assert_tampered(smaller, saying="different logs or sizes")


def test_reordered_entries_are_found(files):
    entries = entries_in(files)
    entries[4], entries[5] = entries[5], entries[4]
    assert_tampered(with_entries(files, entries), 4)


def test_an_inserted_entry_is_found(log, files):
    entries = entries_in(files)
    entries.insert(9, decision(10_000))
    changed = {**files, "tile/entries/000": tiles.entry_bundle(entries[:257])}
    assert_tampered(mended(changed), 9, saying="257 entries stand where the tree has 256")
    rebuilt = Log(entries).bundle(checkpoint=log.checkpoint())
    assert_tampered(rebuilt)


def test_entries_cut_off_within_a_bundle_are_found(files):
    changed = {**files, "tile/entries/000": tiles.entry_bundle(entries_in(files)[:100])}
    assert_tampered(mended(changed), 100, saying="100 entries stand where the tree has 256")
    changed["tile/entries/000"] = files["tile/entries/000"][:-1]
    assert_tampered(mended(changed), 0, saying="cut short")


def test_an_edit_with_tiles_and_root_made_anew_fails_at_the_signature(log):
    entries = [*log.entries]
    entries[5] = decision(5, n_shown=1)
    forged = Log(entries)
    root = forged.checkpoint().split(b"\n")[2]
    lines = log.checkpoint().split(b"\n")
    checkpoint = b"\n".join([*lines[:2], root, *lines[3:]])
    assert_tampered(forged.bundle(checkpoint=checkpoint), saying="is not good")


def test_an_edit_with_the_lowest_tile_made_anew_is_found(log, files):
    forged = Log([*log.entries[:3], decision(3, n_cand=1), *log.entries[4:]])
    changed = {
        **files,
        "tile/0/000": forged.read_tile(0, 0),
        "tile/entries/000": forged.bundle()["tile/entries/000"],
    }
    assert_tampered(mended(changed), 0, saying="entries 0 to 255")


def test_an_edit_with_all_tiles_made_anew_is_found(log):
    forged = Log([*log.entries[:3], decision(3, n_cand=1), *log.entries[4:]])
    assert_tampered(forged.bundle(checkpoint=log.checkpoint()), saying="not the one in the checkpoint")


def test_a_log_cut_short_is_found_against_an_older_checkpoint(log):
    kept = log.checkpoint(280)
    assert check_bundle(log.bundle(), Asked(older=(kept,))).exit_code == VALID
    shorter = Log(log.entries[:260])
    assert check_bundle(shorter.bundle()).exit_code == VALID
    assert_tampered(shorter.bundle(), asked=Asked(older=(kept,)), saying="cut short")


@pytest.mark.parametrize("size", [0, 1, 2, 128, 200, 256, 257, 299, 300])
def test_every_older_checkpoint_of_the_log_is_of_the_same_tree(log, files, size):
    assert check_bundle(files, Asked(older=(log.checkpoint(size),))).exit_code == VALID


def test_a_fork_after_a_restored_backup_is_found_against_an_older_checkpoint(log):
    forked = Log([*log.entries[:250], *(decision(index + 5000) for index in range(250, N))])
    assert check_bundle(forked.bundle()).exit_code == VALID
    assert_tampered(forked.bundle(), asked=Asked(older=(log.checkpoint(260),)), saying="two faces")


def test_two_views_of_one_size_are_found(log):
    other_view = Log([*log.entries[:-1], decision(9999)])
    assert_tampered(log.bundle(), asked=Asked(older=(other_view.checkpoint(),)), saying="two faces")
    receipt = other_view.receipt(N - 1, N)
    assert_tampered(log.bundle(), asked=Asked(receipts=(receipt,)), saying="two faces")


def test_an_older_checkpoint_of_another_log_or_key_is_refused(log, files):
    stranger = NoteSigner("other.example/log", bytes([9]) * 32)
    note = log.checkpoint(5, signers=[stranger])
    assert_tampered(files, asked=Asked(older=(note,)), saying="none of the keys that count")
    renamed = log.checkpoint(5).decode().replace(ORIGIN, "other.example/log", 1)
    text = renamed[: renamed.index("\n\n") + 1]
    note = f"{text}\n{LOG_KEY.line(text, 1)}".encode()
    assert_tampered(files, asked=Asked(older=(note,)), saying="of another log")


def test_a_checkpoint_signed_with_a_wrong_key_is_found(log):
    thief = NoteSigner(ORIGIN, bytes([8]) * 32)
    forged = Log(log.entries, signers=[thief], vkeys=[thief.vkey])
    assert check_bundle(forged.bundle()).exit_code == UNWITNESSED
    assert_tampered(forged.bundle(), asked=Asked(log_keys=(KEY,)), saying="none of the keys that count")
    forged.vkeys = [LOG_KEY.vkey]
    assert_tampered(forged.bundle())


def test_a_checkpoint_that_only_a_witness_signed_is_refused(log):
    assert_tampered(Log(log.entries, signers=[WITNESS]).bundle(), saying="not signed by the key of the log")


def test_the_key_of_another_log_is_refused(files):
    stranger = parse_vkey(NoteSigner("other.example/log", bytes([9]) * 32).vkey)
    assert_tampered(files, asked=Asked(log_keys=(stranger,)), saying="one of another log")


def test_a_bundle_without_a_key_of_its_log_is_refused(log):
    assert_tampered(log.bundle(vkeys=[WITNESS.vkey]), saying="no key of the log is named")


def test_swapped_digests_of_sealed_bodies_are_found(files):
    entries = entries_in(files)
    first, second = (json.loads(entries[index]) for index in (10, 11))
    first["ct"], second["ct"] = second["ct"], first["ct"]
    entries[10], entries[11] = canonical(first), canonical(second)
    assert_tampered(with_entries(files, entries), 10)


def test_swapped_disclosures_are_found(full):
    swapped = {**full, "disclosures/3.json": full["disclosures/299.json"]}
    assert_tampered(mended(swapped), saying="about another entry")
    renamed = bundle.disclosure(3, sections_of(299))
    assert_tampered(
        mended({**full, "disclosures/3.json": renamed}), 3, saying="not the one that was recorded"
    )
    sections = sections_of(3)
    sections["req"], sections["out"] = sections["out"], sections["req"]
    crossed = bundle.disclosure(3, sections)
    assert_tampered(mended({**full, "disclosures/3.json": crossed}), 3)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"{}",
        b'{"index":true,"sections":{}}',
        b'{"index":3,"sections":{}}',
        b'{"index":3,"sections":[]}',
        b'{"index":3,"sections":{"secret":{"salt":"","content":""}}}',
        b'{"index":3,"sections":{"req":{"salt":"","content":1}}}',
        b'{"index":3,"sections":{"req":{"salt":"","content":""}}}',
        b'{"index":3,"sections":{"req":{"salt":"A","content":""}}}',
        b'{"index":3,"index":3,"sections":{}}',
        b'{"index":3,"sections":{"req":{"salt":"","content":"\\ud800"}}}',
        b"\xff",
        b"[" * 100_000,
        b"1.5",
        b"NaN",
    ],
)
def test_a_malformed_disclosure_is_refused(full, content):
    report = check_bundle(mended({**full, "disclosures/3.json": content}))
    assert report.exit_code == TAMPERED


def test_a_disclosure_of_what_has_no_sections_is_refused():
    log = Log([other("heartbeat")])
    assert_tampered(log.bundle(disclosures={0: sections_of(0)}), 0, saying="no sections that could")


def test_a_disclosure_of_an_entry_that_is_not_there_is_incomplete(log):
    files = log.bundle(span=(256, 300), disclosures={3: sections_of(3), 299: sections_of(299)})
    report = check_bundle(files, Asked(span=(256, 300)))
    assert report.exit_code == INCOMPLETE
    files = log.bundle(disclosures={400: sections_of(400)})
    assert check_bundle(files).exit_code == INCOMPLETE
    files = log.bundle(disclosures={N: sections_of(N)})
    assert check_bundle(files).exit_code == INCOMPLETE


def test_another_policy_or_model_is_found(full):
    policy, model = f"policies/{POLICY_VERSION}.json", f"models/{MODEL_VERSION}.json"
    assert_tampered(mended({**full, policy: POLICY + b" "}), saying="not the policy of that version")
    for changed in (
        b"[]",
        MODEL.replace(b"item_ids", b"item_idz"),
        MODEL.replace(MODEL_VERSION.encode(), b"0" * 64),
        MODEL.replace(b'"format": %d' % MODEL_FORMAT, b'"format": 3'),
        b'{"format":%d,"version":"%b","sha256":[]}' % (MODEL_FORMAT, MODEL_VERSION.encode()),
    ):
        assert_tampered(mended({**full, model: changed}), saying="not the manifest of the model")


def test_a_policy_or_model_that_no_entry_names_is_found():
    log = Log([decision(0, policy=None, model=None), decision(1, policy=None, model=None)])
    assert_tampered(
        log.bundle(policies={POLICY_VERSION: POLICY}), saying="no entry in the bundle names policy"
    )
    assert_tampered(log.bundle(models={MODEL_VERSION: MODEL}), saying="no entry in the bundle names model")


def test_a_policy_named_by_another_kind_of_entry_is_accepted():
    log = Log([other("policy_step", detail={"versions": ["x", POLICY_VERSION, 3]})])
    assert check_bundle(log.bundle(policies={POLICY_VERSION: POLICY})).exit_code == VALID


def test_a_repeated_decision_is_found(log):
    assert_tampered(Log([*log.entries[:5], log.entries[2]]).bundle(), 5, saying="repeats the id")


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"{}",
        b"[]",
        b'{"v":2,"type":"heartbeat","t_min":1}',
        b'{"t_min":1,"type":"heartbeat","v":2} ',
        b'{"t_min":1.0,"type":"heartbeat","v":2}',
        b'{"t_min":-1,"type":"heartbeat","v":2}',
        b'{"t_min":true,"type":"heartbeat","v":2}',
        b'{"t_min":1,"type":"heartbeat","v":"2"}',
        b'{"t_min":1,"type":3,"v":2}',
        b'{"t_min":1,"type":"heartbeat","type":"heartbeat","v":2}',
        b'{"T":1,"t_min":1,"type":"heartbeat","v":2}',
        b'{"t_min":9007199254740992,"type":"heartbeat","v":2}',
        b'{"name":"e\xcc\x81","t_min":1,"type":"heartbeat","v":2}',
        b'{"name":"\\ud800","t_min":1,"type":"heartbeat","v":2}',
        b'{"name":"\\u0041","t_min":1,"type":"heartbeat","v":2}',
        b'{"n":' + b"[" * 30_000 + b"]" * 30_000 + b',"t_min":1,"type":"heartbeat","v":2}',
        b'{"n":' + b"9" * 5000 + b',"t_min":1,"type":"heartbeat","v":2}',
        b'{"t_min":1,"type":"prune","v":2}',
        b'{"min_index":9,"t_min":1,"type":"prune","v":2}',
        decision(1, id=""),
        decision(1, id=7),
        decision(1, ct="x"),
        decision(1, ct=None),
        decision(1, sd=None),
        decision(1, sd=["A" * 43] * 4),
        decision(1, sd=["A" * 43] * 4 + [1]),
    ],
)
def test_an_entry_that_is_not_written_as_it_must_be_is_found(entry):
    report = check_bundle(Log([decision(0), entry]).bundle())
    assert report.exit_code == TAMPERED
    assert report.first_bad_index == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"placement": 'quo"te'},
        {"placement": "\u00e6ble\u2028"},
        {"n_cand": -5},
        {"n_cand": 2**53 - 1},
        {"rules": {"nested": [1, None, "x"]}},
        {"id": "r\u00f8d"},
        {"model": "short"},
        {"model": None},
    ],
)
def test_decisions_of_unusual_shape_are_read_as_well(changes):
    entries = [decision(0), decision(1, **changes), decision(2), decision(3, extra=1)]
    asked = Asked(decision=json.loads(entries[1])["id"])
    report = check_bundle(Log(entries).bundle(), asked)
    assert report.exit_code == VALID, texts(report)
    assert "is entry 1" in texts(report)


def test_decisions_without_a_usual_field_or_of_many_shapes_are_read_one_by_one():
    few = json.loads(decision(0))
    del few["model"]
    entries = [canonical(few), *(decision(index, **{f"more_{index}": 1}) for index in range(1, 12))]
    entries += [decision(index, **{f"more_{index - 11}": 1}) for index in range(12, 20)]
    assert check_bundle(Log(entries).bundle()).exit_code == VALID


def test_entries_a_few_minutes_out_of_order_are_fine_and_more_is_a_warning():
    usual = Log([other("heartbeat", 100), other("heartbeat", 90), other("heartbeat", 100)])
    assert "older than one before" not in texts(check_bundle(usual.bundle()))
    late = Log([other("heartbeat", minute) for minute in (100, 89, 100, 50)])
    report = check_bundle(late.bundle())
    assert report.exit_code == VALID
    assert report.first_bad_index is None
    assert "2 entries, first 1, are more than 10 minutes older" in texts(report)
    assert "are in canonical form" in texts(report)


def test_an_unknown_type_of_entry_is_a_warning():
    report = check_bundle(Log([other("party")]).bundle())
    assert report.exit_code == VALID
    assert ("warning", "entry 0 is of an unknown type, `party`") in [
        (li.kind, li.text) for li in report.lines
    ]


def test_a_decision_is_found_by_its_id(log, files):
    wanted = json.loads(log.entries[77])["id"]
    report = check_bundle(files, Asked(decision=wanted))
    assert report.exit_code == VALID
    assert f"decision `{wanted}` is entry 77" in texts(report)
    assert check_bundle(files, Asked(decision="no\udc80ne")).exit_code == INCOMPLETE


def test_warnings_are_not_listed_without_end():
    report = check_bundle(Log([other("party", at=at) for at in range(30)]).bundle())
    assert report.exit_code == VALID
    assert len([line for line in report.lines if line.kind == "warning"]) == 20


def test_the_first_bad_entry_is_told_however_much_else_is_bad(files):
    changed = with_entries(
        files, [decision(index, **({"n_cand": 51} if index == 7 else {})) for index in range(N)]
    )
    junk = {f"policies/{number:064x}.json": b"" for number in range(25)}
    assert check_bundle({**changed, **junk}).first_bad_index == 7


def test_a_decision_states_its_version_also_where_others_like_it_were_read_before():
    for version in (None, "2", True):
        entries = [decision(0), decision(1, v=version)]
        assert_tampered(Log(entries).bundle(), index=1, saying="its version, type and minute")


def test_failures_of_a_kind_are_not_listed_without_end(files):
    report = check_bundle(with_entries(files, [decision(index + 7000) for index in range(N)]))
    assert report.first_bad_index == 0
    assert len([line for line in report.lines if line.kind == "tampered"]) == 20


# --- witnesses ---


def test_a_checkpoint_without_a_witness_is_unwitnessed_and_that_can_be_allowed(log):
    files = Log(log.entries, signers=[LOG_KEY]).bundle()
    report = check_bundle(files)
    assert report.exit_code == UNWITNESSED
    assert report.verdict == "unwitnessed"
    assert check_bundle(files, Asked(allow_unwitnessed=True)).exit_code == VALID


def test_every_witness_that_is_named_must_have_cosigned(log, files):
    first, second = parse_vkey(WITNESS.vkey), parse_vkey(OTHER_WITNESS.vkey)
    assert check_bundle(files, Asked(witnesses=(first,))).exit_code == VALID
    report = check_bundle(files, Asked(witnesses=(first, second)))
    assert report.exit_code == UNWITNESSED
    assert "`witness.example/w2` did not cosign" in texts(report)
    both = Log(log.entries, signers=[LOG_KEY, WITNESS, OTHER_WITNESS]).bundle()
    assert check_bundle(both, Asked(witnesses=(first, second))).exit_code == VALID


def test_a_key_inside_the_bundle_is_no_substitute_for_a_witness_named(log):
    forged = NoteSigner(WITNESS.name, bytes([7]) * 32)
    files = Log(log.entries, signers=[LOG_KEY, forged], vkeys=[LOG_KEY.vkey, forged.vkey]).bundle()
    assert check_bundle(files).exit_code == UNWITNESSED
    assert check_bundle(files, Asked(witnesses=(parse_vkey(WITNESS.vkey),))).exit_code == UNWITNESSED


def test_a_bad_cosignature_of_a_known_witness_is_found(log):
    wrong = WITNESS.line(log.checkpoint(5).decode().partition("\n\n")[0] + "\n", 5)
    note = (log.checkpoint(signers=[LOG_KEY]).decode() + wrong).encode()
    assert_tampered(log.bundle(checkpoint=note), saying="`witness.example/w1` is not good")


def test_a_log_may_also_sign_with_ml_dsa(log, monkeypatch):
    post_quantum = MlDsaCosigner(ORIGIN, bytes([6]) * 32)
    witness = MlDsaCosigner("witness.example/pq", bytes([6]) * 32)
    files = Log(
        log.entries,
        signers=[LOG_KEY, post_quantum, witness],
        vkeys=[LOG_KEY.vkey, post_quantum.vkey, witness.vkey],
    ).bundle()
    assert check_bundle(files).exit_code == VALID
    monkeypatch.setattr("guardrails.log.verifier._ML_DSA", None)
    report = check_bundle(files)
    assert report.exit_code == UNWITNESSED
    assert "the cosignature of `witness.example/pq` was not checked" in texts(report)


def test_a_time_beyond_calendars_is_shown_all_the_same(log):
    text = log.checkpoint().decode().partition("\n\n")[0] + "\n"
    note = f"{text}\n{LOG_KEY.line(text, 1)}{WITNESS.line(text, 2**63 - 1)}".encode()
    report = check_bundle(log.bundle(checkpoint=note))
    assert report.exit_code == VALID
    assert "9223372036854775807 s after 1970" in texts(report)


# --- keys that were replaced ---


def rotated(*rotations, signers=(NEW_LOG_KEY, WITNESS), vkeys=(NEW_LOG_KEY.vkey, WITNESS.vkey)):
    return Log([decision(0), *rotations, decision(1)], signers=signers, vkeys=vkeys)


def test_a_key_replaced_in_the_log_is_followed_from_old_and_new():
    files = rotated(rotation()).bundle()
    for keys in ((), (KEY,), (parse_vkey(NEW_LOG_KEY.vkey),)):
        report = check_bundle(files, Asked(log_keys=keys, witnesses=(parse_vkey(WITNESS.vkey),)))
        assert report.exit_code == VALID, texts(report)
        assert "1 changes of the log's key are signed by both keys" in texts(report)


def test_a_checkpoint_from_before_the_change_is_still_of_the_log():
    log = rotated(rotation())
    older = log.checkpoint(1, signers=[LOG_KEY])
    asked = Asked(log_keys=(KEY,), witnesses=(parse_vkey(WITNESS.vkey),), older=(older,))
    assert check_bundle(log.bundle(), asked).exit_code == VALID


def test_a_witness_that_the_bundle_alone_names_is_none_to_whoever_names_the_log():
    files = rotated(rotation()).bundle()
    assert check_bundle(files, Asked(log_keys=(KEY,))).exit_code == UNWITNESSED
    assert check_bundle(files, Asked(log_keys=(KEY,), allow_unwitnessed=True)).exit_code == VALID


def test_the_old_key_signs_nothing_more_once_it_was_replaced():
    files = rotated(rotation(), signers=[LOG_KEY, WITNESS], vkeys=[LOG_KEY.vkey, WITNESS.vkey]).bundle()
    assert_tampered(files, saying="not signed by the key of the log that is in force")


def test_a_log_named_by_its_ml_dsa_key_alone_is_checked_by_that():
    post_quantum = MlDsaCosigner(ORIGIN, bytes([6]) * 32)
    files = rotated(rotation(), signers=[NEW_LOG_KEY, post_quantum, WITNESS]).bundle()
    asked = Asked(log_keys=(parse_vkey(post_quantum.vkey),), witnesses=(parse_vkey(WITNESS.vkey),))
    assert check_bundle(files, asked).exit_code == VALID
    files = rotated(rotation()).bundle()
    assert_tampered(files, asked=Asked(log_keys=(parse_vkey(post_quantum.vkey),)))


def test_a_change_of_key_without_both_signatures_is_found():
    genuine = json.loads(rotation())
    for name in ("old_sig", "new_sig"):
        wrong = genuine["new_sig" if name == "old_sig" else "old_sig"]
        assert_tampered(rotated(canonical(genuine | {name: wrong})).bundle(), 1, saying="not signed by both")


def test_a_change_of_key_that_is_not_written_as_it_must_be_is_found():
    stranger = NoteSigner("other.example/log", bytes([5]) * 32)
    for entry in (
        rotation(more=1),
        rotation(origin=5),
        rotation(origin="other.example/log"),
        rotation(new=stranger),
        rotation(new_vkey="no key"),
    ):
        assert_tampered(rotated(entry).bundle(), 1, saying="does not replace the key")


def test_a_change_from_a_key_that_was_not_in_force_is_found():
    third = NoteSigner(ORIGIN, bytes([5]) * 32)
    chained = rotated(rotation(), rotation(NEW_LOG_KEY, third), signers=[third, WITNESS], vkeys=[third.vkey])
    assert check_bundle(chained.bundle(), Asked(log_keys=(KEY,), allow_unwitnessed=True)).exit_code == VALID
    broken = rotated(rotation(), rotation(LOG_KEY, third), signers=[third, WITNESS], vkeys=[third.vkey])
    assert_tampered(broken.bundle(), 2, saying="was not in force")
    thief = rotated(rotation(third, NEW_LOG_KEY))
    assert_tampered(thief.bundle(), asked=Asked(log_keys=(KEY,)), saying="none of those it had in force")


# --- what was pruned, and what was asked for ---


def pruned_log(n=700, **prune):
    return Log([*(decision(index) for index in range(n)), other("prune", START + n, **prune)])


def test_pruned_entries_are_accounted_for_by_an_entry():
    report = check_bundle(pruned_log(min_index=512).bundle(min_index=512))
    assert report.exit_code == VALID, texts(report)
    assert "entries before 512 were pruned, as an entry of the log says" in texts(report)


def test_pruned_entries_without_an_entry_that_accounts_for_them_are_incomplete():
    assert check_bundle(pruned_log(min_index=256).bundle(min_index=512)).exit_code == INCOMPLETE
    log = Log([decision(index) for index in range(300)])
    report = check_bundle(log.bundle(min_index=256))
    assert report.exit_code == INCOMPLETE
    assert "no entry accounts for that" in texts(report)


def test_the_tiles_of_pruned_entries_are_left_out_where_nothing_needs_them():
    files = pruned_log(min_index=512).bundle(min_index=512)
    assert "tile/0/001" not in files
    assert "tile/0/002.p/189" in files
    assert "tile/1/000.p/2" in files


def test_an_older_checkpoint_or_receipt_of_a_pruned_tree_is_incomplete():
    log = pruned_log(min_index=512)
    files = log.bundle(min_index=512)
    assert check_bundle(files, Asked(older=(log.checkpoint(100),))).exit_code == INCOMPLETE
    assert check_bundle(files, Asked(older=(log.checkpoint(512),))).exit_code == VALID
    receipt = log.receipt(7, 600)
    assert check_bundle(files, Asked(receipts=(receipt,))).exit_code == INCOMPLETE
    receipt = log.receipt(7, 600, extra=bundle.receipt_extra(log.entries[7], {}))
    assert check_bundle(files, Asked(receipts=(receipt,))).exit_code == VALID


def test_a_part_of_the_log_is_complete_only_if_that_part_was_asked_for(log):
    files = log.bundle(span=(260, 280))
    assert "tile/entries/000" not in files
    assert check_bundle(files).exit_code == INCOMPLETE
    report = check_bundle(files, Asked(span=(260, 280)))
    assert report.exit_code == VALID
    assert "changes of the log's key among entries not in the bundle cannot be seen" in texts(report)
    assert check_bundle(files, Asked(span=(250, 280))).exit_code == INCOMPLETE
    assert check_bundle(files, Asked(span=(260, 281))).exit_code == INCOMPLETE
    assert check_bundle(log.bundle(span=(0, 0)), Asked(span=(0, 0))).exit_code == VALID


def test_a_part_of_a_pruned_log_needs_no_account_of_the_rest():
    files = pruned_log(min_index=0).bundle(min_index=512)
    assert check_bundle(files, Asked(span=(600, 650))).exit_code == VALID


# --- files of the bundle ---


@pytest.mark.parametrize(
    "name", ["checkpoint", "keys.vkey", "MANIFEST.json", "tile/0/000", "tile/entries/000"]
)
def test_a_missing_file_makes_the_bundle_incomplete(full, name):
    files = {path: content for path, content in full.items() if path != name}
    report = check_bundle(files)
    assert report.exit_code == INCOMPLETE
    assert check_bundle(mended(files) if name != "MANIFEST.json" else files).exit_code == INCOMPLETE


def test_a_tile_under_another_name_is_found(full):
    files = {**full, "tile/0/007": full["tile/0/000"]}
    del files["tile/0/000"]
    report = check_bundle(mended(files))
    assert report.exit_code == TAMPERED
    assert "`tile/0/000` is missing" in texts(report)


def test_a_tile_of_another_length_is_found(full):
    assert_tampered(mended({**full, "tile/0/001.p/44": bytes(32)}), saying="does not have the length")


def test_a_file_too_many_is_found(full):
    assert_tampered({**full, "tile/0/007": bytes(8192)}, saying="not listed in MANIFEST.json")
    assert_tampered(mended({**full, "tile/0/007": bytes(8192)}), saying="no part of a tree of 300 entries")
    assert_tampered(mended({**full, "tile/0/001.p/300": bytes(32)}), saying="no part of a tree")
    assert_tampered(mended({**full, "../evil": b""}), saying="not the name of a file that a bundle holds")


def test_a_file_listed_and_missing_is_incomplete(full):
    files = {path: content for path, content in full.items() if path != "disclosures/3.json"}
    report = check_bundle(files)
    assert report.exit_code == INCOMPLETE
    assert "`disclosures/3.json` is listed in MANIFEST.json and missing" in texts(report)


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 2**52},
        {"size": "300"},
        {"size": True},
        {"size": 299},
        {"min_index": -1},
        {"min_index": 301},
        {"first": 10, "min_index": 20},
        {"first": 10, "end": 5},
        {"end": 301},
        {"origin": "other.example/log"},
        {"origin": 1},
        {"made_by": 1},
        {"v": 2},
        {"more": 1},
        {"files": 1},
        {"files": [1]},
        {"files": [{"path": "checkpoint", "sha256": "0"}] * 2},
    ],
)
def test_a_manifest_that_does_not_say_what_it_must_is_refused(full, changes):
    report = check_bundle(mended(full, **changes))
    assert report.exit_code in {TAMPERED, INCOMPLETE}


def test_a_manifest_that_was_changed_after_it_was_written_is_refused(full):
    changed = full["MANIFEST.json"].replace(b'"made_by":"0.1.0"', b'"made_by":"0.1.1"')
    assert_tampered({**full, "MANIFEST.json": changed}, saying="changed after it was written")


def test_a_manifest_that_is_no_object_is_refused(full):
    assert_tampered({**full, "MANIFEST.json": b"[]"}, saying="not of the form")


def test_an_absurd_size_is_refused_without_counting_to_it(full):
    text = f"{ORIGIN}\n{2**52}\n" + full["checkpoint"].decode().split("\n")[2] + "\n"
    note = f"{text}\n{LOG_KEY.line(text, 1)}".encode()
    report = check_bundle(mended({**full, "checkpoint": note}, size=2**52, end=2**52))
    assert report.exit_code == INCOMPLETE
    assert "tiles and bundles of entries are missing" in texts(report)


@pytest.mark.parametrize("keys", [b"", b"\xff", LOG_KEY.vkey.encode(), b"\n", b"no key\n"])
def test_malformed_keys_are_refused(full, keys):
    assert_tampered(mended({**full, "keys.vkey": keys}))


# --- receipts ---


def test_a_receipt_is_checked_against_the_bundle(log, files):
    extra = bundle.receipt_extra(log.entries[7], {"out": sections_of(7)["out"]})
    for receipt in (log.receipt(7, 200), log.receipt(7, N), log.receipt(7, 200, extra=extra)):
        report = check_bundle(files, Asked(receipts=(receipt,)))
        assert report.exit_code == VALID, texts(report)
        assert "the receipt proves entry 7" in texts(report)


def test_a_receipt_of_another_entry_is_found(log, files):
    genuine = log.receipt(7, 200)
    moved = genuine.replace(b"index 7\n", b"index 6\n")
    assert_tampered(files, 6, asked=Asked(receipts=(moved,)), saying="does not prove entry 6")
    lying = log.receipt(7, 200, extra=bundle.receipt_extra(log.entries[8], {}))
    assert_tampered(files, 7, asked=Asked(receipts=(lying,)), saying="not the one in the log")


def test_a_receipt_of_a_decision_that_was_dropped_is_not_valid(log):
    shorter = Log(log.entries[:260])
    report = check_bundle(shorter.bundle(), Asked(receipts=(log.receipt(270, 300),)))
    assert report.exit_code == INCOMPLETE
    assert "of a later time" in texts(report)


def test_a_receipt_that_holds_its_entry_is_checked_alone(log):
    extra = bundle.receipt_extra(log.entries[7], sections_of(7))
    receipt = log.receipt(7, 200, extra=extra)
    witness = parse_vkey(WITNESS.vkey)
    asked = Asked(log_keys=(KEY,), witnesses=(witness,))
    assert check_receipt(receipt, asked).exit_code == VALID
    assert check_receipt(receipt, asked._replace(witnesses=())).exit_code == UNWITNESSED
    other_witness = parse_vkey(OTHER_WITNESS.vkey)
    assert check_receipt(receipt, asked._replace(witnesses=(other_witness,))).exit_code == UNWITNESSED
    assert check_receipt(receipt, asked._replace(log_keys=())).exit_code == TAMPERED
    moved = receipt.replace(b"index 7\n", b"index 6\n")
    assert check_receipt(moved, asked).first_bad_index == 6
    assert check_receipt(log.receipt(7, 200), asked).exit_code == INCOMPLETE


def test_a_receipt_that_discloses_other_sections_is_found(log):
    extra = bundle.receipt_extra(log.entries[7], sections_of(8))
    asked = Asked(log_keys=(KEY,), allow_unwitnessed=True)
    assert check_receipt(log.receipt(7, 200, extra=extra), asked).exit_code == TAMPERED


@pytest.mark.parametrize(
    "extra", [b"?", b"[]", b"{}", b'{"entry":1}', b'{"entry":"{}","more":1}', b'{"entry":"x"}']
)
def test_a_receipt_with_something_else_in_it_is_refused(log, extra):
    asked = Asked(log_keys=(KEY,), allow_unwitnessed=True)
    assert check_receipt(log.receipt(7, 200, extra=extra), asked).exit_code == TAMPERED


@pytest.mark.parametrize(
    "change",
    [
        (b"@v1", b"@v2"),
        (b"index 7", b"index 07"),
        (b"index 7\n", b""),
        (b"index 7\n", b"extra *\nindex 7\n"),
        (b"\n\n", b"\n"),
        (b"index 7\n", b"index 7\nAAAA\n"),
    ],
)
def test_a_malformed_receipt_is_refused(log, files, change):
    receipt = log.receipt(7, 200).replace(*change)
    assert check_bundle(files, Asked(receipts=(receipt,))).exit_code == TAMPERED


def test_a_receipt_without_lines_is_refused():
    report = check_receipt(b"c2sp.org/tlog-proof@v1\n\nx", Asked(log_keys=(KEY,)))
    assert report.exit_code == TAMPERED
