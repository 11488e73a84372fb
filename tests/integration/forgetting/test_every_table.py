"""No table is forgotten: each is erased from, or is known to hold nothing of anybody."""

from api.forgetting.worker import TOUCHED
from api.storage import guard, keyring
from api.storage.tables import metadata

NOTHING_PERSONAL = {
    "items": "the shop's goods",
    "category_marks": "which of the shop's own categories are sensitive",
    "notices": "what the shop tells everybody",
    "placements": "where suggestions are shown",
    "policies": "numbers and rules of the guardrails",
    "policy_steps": "who changed a policy, by the id of a key; kept as proof",
    "policy_comments": "what people of the shop say of a change, by the id of an account",
    "rehearsals": "what a draft would have done; examples name items and decisions",
    "models": "arrays over items; customers are taken out by the step `model`",
    "training_runs": "trainings that were asked for, by the id of a key",
    "model_shadows": "sums over many decisions, of none of which anything is told",
    "artefacts_used": "where in the log are the decisions made from a model or a catalogue",
    "active_versions": "which model, policy and catalogue are in force",
    "api_keys": "of the shop's own systems",
    "key_days": "how many requests these sent on a day; gone when it is over",
    "accounts": "people who work for the shop",
    "sign_ins": "who of them is signed in; gone with the first purge after they are not",
    "sign_in_failures": "keyed digests of what was typed by whoever it was; gone with a purge after a day",
    "log_entries": "headers without personal data; kept as proof (GDPR 17(3)(e))",
    "log_state": "how far the log has come",
    "log_tiles": "hashes of entries",
    "decisions": "where in the log a decision is",
    "decision_kinds": "what many decisions have in common",
    "decision_hours": "where in the log the decisions of an hour are",
    "log_terms": "rules that withheld and reasons given, whoever's decisions they are of",
    "cascade_steps": "counts and statuses",
    "measurements": "sums over many people, under P7",
    "tallies": "sums over all decisions; nothing in it tells of whom",
    "figures": "what was counted over everybody lately",
    "suppressions": "a keyed digest of its own, kept so that an erasure is not undone",
}


APART = {
    "subject_keys": "destroyed by the step `keys`",
    "erasures": "a keyed digest of its own, kept so that a restored database does not undo an erasure",
    "checkpoints": "sizes and roots of trees",
    "cosignatures": "what witnesses signed",
    "duties": "who does what for the log, and until when",
}
"""Tables of the stores beside the database."""


def test_every_table_beside_the_database_is_known():
    assert set(keyring.metadata.tables) | set(guard.metadata.tables) == set(APART)


def test_every_table_is_erased_from_or_holds_nothing_personal():
    assert set(metadata.tables) == set(TOUCHED) | set(NOTHING_PERSONAL)
    assert not set(TOUCHED) & set(NOTHING_PERSONAL)


def test_no_column_that_names_somebody_is_in_a_table_that_is_said_to_hold_nothing_personal():
    naming = {"customer_id", "customer_no", "subject_key", "session_key", "device_key"}
    for name in NOTHING_PERSONAL:
        assert not naming & set(metadata.tables[name].columns.keys()), name
