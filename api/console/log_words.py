"""Entries of the log in words: who looked, who changed what, and what the log says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from api.console.words import told
from api.languages import say
from guardrails.messages import Phrase

Said = Mapping[str, Any]
Teller = Callable[[Said], str]
"""Puts what an entry says into words."""

TYPES: Mapping[str, str] = {
    "disclosure": Phrase("looks"),
    "policy_step": Phrase("policies"),
    "model_active": Phrase("models"),
    "config": Phrase("keys, accounts and settings"),
    "erasure": Phrase("erasures"),
    "legal_hold": Phrase("legal holds"),
    "self_check": Phrase("checks of itself"),
    "heartbeat": Phrase("signs of life"),
    "key_rotate": Phrase("changes of its key"),
    "prune": Phrase("removals of old entries"),
}
"""Kinds of entries besides decisions."""

ROLES: Mapping[str, str] = {
    "site": Phrase("the shop's site"),
    "marketer": Phrase("marketer"),
    "approver": Phrase("approver"),
    "auditor": Phrase("auditor"),
    "admin": Phrase("admin"),
}

_LOOKS: Mapping[str, Teller] = {
    "search": lambda it: Phrase("{who} searched for decisions; found: {n}", who=it["who"], n=it["n"]),
    "record": lambda it: Phrase("{who} opened decisions: {n}", who=it["who"], n=it["n"]),
    "replay": lambda it: Phrase("{who} had decisions made again: {n}", who=it["who"], n=it["n"]),
    "counterfactuals": lambda it: Phrase(
        "{who} asked what would have changed decisions: {n}", who=it["who"], n=it["n"]
    ),
    "export": lambda it: Phrase(
        "{who} handed out decisions that were opened for it: {n}", who=it["who"], n=it["n"]
    ),
    "example": lambda it: Phrase(
        "{who} looked at what a change would have made of a decision", who=it["who"]
    ),
}
_STEPS: Mapping[str, Teller] = {
    "found": lambda it: Phrase("{who} noted policy {name} as being in force", who=it["who"], name=it["name"]),
    "drafted": lambda it: Phrase("{who} drafted policy {name}", who=it["who"], name=it["name"]),
    "proposed": lambda it: Phrase("{who} proposed policy {name}", who=it["who"], name=it["name"]),
    "approved": lambda it: Phrase("{who} approved policy {name}", who=it["who"], name=it["name"]),
    "rejected": lambda it: Phrase("{who} rejected policy {name}", who=it["who"], name=it["name"]),
    "scheduled": lambda it: Phrase("{who} scheduled policy {name}", who=it["who"], name=it["name"]),
    "activated": lambda it: Phrase("{who} put policy {name} in force", who=it["who"], name=it["name"]),
    "suspended": lambda it: Phrase("{who} suspended policy {name}", who=it["who"], name=it["name"]),
    "shadowed": lambda it: Phrase(
        "{who} put policy {name} in shadow, where it changes nothing", who=it["who"], name=it["name"]
    ),
    "challenged": lambda it: Phrase(
        "{who} put policy {name} in force for a share of customers", who=it["who"], name=it["name"]
    ),
    "ended": lambda it: Phrase("{who} ended what ran of policy {name}", who=it["who"], name=it["name"]),
    "broke_glass": lambda it: Phrase(
        "{who} put policy {name} in force in an emergency", who=it["who"], name=it["name"]
    ),
    "expired": lambda it: Phrase("{who} let policy {name} run out", who=it["who"], name=it["name"]),
}
_CONFIG: Mapping[str, Teller] = {
    "key_created": lambda it: Phrase("a key was made: {key}, for {role}", key=it["key"], role=it["role"]),
    "key_revoked": lambda it: Phrase("a key was revoked: {key}", key=it["key"]),
    "account_created": lambda it: Phrase(
        "{who} made an account: {account}, {role}", who=it["who"], account=it["account"], role=it["role"]
    ),
    "account_disabled": lambda it: Phrase(
        "{who} closed an account: {account}", who=it["who"], account=it["account"]
    ),
    "account_role_changed": lambda it: Phrase(
        "{who} gave an account another role: {account}, {role}",
        who=it["who"],
        account=it["account"],
        role=it["role"],
    ),
    "account_password_changed": lambda it: Phrase(
        "{who} gave an account a new password: {account}", who=it["who"], account=it["account"]
    ),
    "account_signed_out": lambda it: Phrase(
        "{who} signed an account out everywhere: {account}", who=it["who"], account=it["account"]
    ),
    "sensitive_mark": lambda it: Phrase("{who} called goods more sensitive", who=it["who"]),
    "shadow_model": lambda it: Phrase(
        "{who} put a model in shadow: {model}", who=it["who"], model=it["model"]
    ),
    "challenger_model": lambda it: Phrase(
        "{who} put a model in force for a share of customers: {model}", who=it["who"], model=it["model"]
    ),
    "not_answered": lambda it: Phrase(
        "decisions from entry {first} on were not answered: {n}", first=it["first"], n=it["n"]
    ),
}


class People(NamedTuple):
    """Who there is.

    Attributes:
        accounts: names of accounts, by id.
        keys: labels of keys, by id.
    """

    accounts: Mapping[str, str]
    keys: Mapping[str, str]

    def name(self, actor: object) -> str:
        """Return who somebody is, in the language of the page."""
        if actor is None or actor == "system":
            return say("the system")
        who = str(actor)
        if who in self.accounts:
            return self.accounts[who]
        return say(Phrase("key {name}", name=self.keys[who])) if who in self.keys else who


class Told(NamedTuple):
    """An entry in words.

    Attributes:
        text: the words, in the language of the page.
        path: where more of it is told; ``None`` where nothing is.
    """

    text: str
    path: str | None = None


def told_of(said: Said, people: People) -> Told:
    """Return an entry in words; of a kind that is not known here, the kind."""
    tell = _TELLERS.get(said["type"])
    return Told(said["type"]) if tell is None else tell(said, people)


def _decision(said: Said, _people: People) -> Told:
    text = Phrase(
        "a decision for {placement}: {n_shown} shown, {n_withheld} withheld",
        placement=said["placement"],
        n_shown=said["n_shown"],
        n_withheld=said["n_withheld"],
    )
    return Told(say(text), f"/console/decisions/{said['id']}")


def _look(said: Said, people: People) -> Told:
    return Told(_filled(_LOOKS, said["kind"], who=people.name(said["actor"]), n=said["n"]))


def _policy(said: Said, people: People) -> Told:
    return Told(_filled(_STEPS, said["kind"], who=people.name(said.get("actor")), name=said.get("name", "")))


def _model(said: Said, people: People) -> Told:
    model, who = said["model"], people.name(said["actor"])
    if model is None:
        return Told(say(Phrase("{who} put no model in force", who=who)))
    text = Phrase("{who} put model {model} in force", who=who, model=model[:12])
    return Told(say(text), f"/console/models/{model}")


def _config(said: Said, people: People) -> Told:
    values = {
        "who": people.name(said.get("by") or said.get("actor")),
        "key": people.keys.get(said.get("key", ""), said.get("key", "")),
        "account": people.accounts.get(said.get("account", ""), said.get("account", "")),
        "role": told(ROLES, said.get("role", "")),
        "model": (said.get("model") or say("none"))[:12],
        "first": said.get("first", ""),
        "n": said.get("n", ""),
    }
    return Told(_filled(_CONFIG, said["what"], **values))


def _erasure(said: Said, _people: People) -> Told:
    text = Phrase("a customer was erased; records whose keys were destroyed: {n}", n=said["n"])
    request = said.get("request")
    return Told(say(text), None if request is None else f"/console/requests/{request}")


def _hold(said: Said, _people: People) -> Told:
    placed = said["event"] == "placed"
    return Told(say("a legal hold was placed") if placed else say("a legal hold was lifted"))


def _self_check(said: Said, _people: People) -> Told:
    text = Phrase(
        "decisions were made again: {n}; the same: {n_exact}, not the same: {n_failed}",
        n=said["n"],
        n_exact=said["n_exact"],
        n_failed=said["n_failed"],
    )
    return Told(say(text))


def _heartbeat(_said: Said, _people: People) -> Told:
    return Told(say("the log says that it is there"))


def _key_rotate(_said: Said, _people: People) -> Told:
    return Told(say("a new key took the place of the one that the log signs with"))


def _prune(said: Said, _people: People) -> Told:
    return Told(say(Phrase("entries before {min_index} were removed", min_index=said["min_index"])))


def _filled(tellers: Mapping[str, Teller], kind: str, **values: object) -> str:
    """Return what is said of a kind, filled in; the kind itself where nothing is."""
    tell = tellers.get(kind)
    return kind if tell is None else say(tell(values))


_TELLERS: Mapping[str, Callable[[Said, People], Told]] = {
    "decision": _decision,
    "disclosure": _look,
    "policy_step": _policy,
    "model_active": _model,
    "config": _config,
    "erasure": _erasure,
    "legal_hold": _hold,
    "self_check": _self_check,
    "heartbeat": _heartbeat,
    "key_rotate": _key_rotate,
    "prune": _prune,
}
