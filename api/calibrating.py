"""Calibrate: from what customers said of suggestions to a policy that fewer of them find too personal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from api.imports.importer import Progress
from api.policies.model import load_document
from api.storage.connection import reading
from api.storage.feedback import FeedbackKind
from api.storage.keyring import Keyring
from api.storage.labels import ShownDecision, count_shown, read_complaints, read_said, read_shown
from api.storage.versions import get_policy, policy_in_force
from engine.interactions import DAY_MS
from guardrails.creepiness.calibration import Calibration, Labelled, Reach
from guardrails.creepiness.dimensions import observe
from guardrails.creepiness.score import DIMENSION_NAMES, MICRO, MITIGATOR_NAMES
from guardrails.errors import RecordError
from guardrails.log.reading import sections_of, shown, view_of
from guardrails.policy.document import to_document, version_of
from guardrails.policy.language import Policy
from guardrails.policy.limits import Limits
from guardrails.policy.lints import require_clean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COMPLAINT_WITHIN_DAYS = 7
"""A complaint that is open counts against what was shown last, if that was at most so many days before."""

TOO_PERSONAL, NOT_INTERESTED = FeedbackKind.TOO_PERSONAL.value, FeedbackKind.NOT_INTERESTED.value
COMPLAINT = "complaint"
LABELS = (TOO_PERSONAL, NOT_INTERESTED, COMPLAINT)
"""What speaks against a suggestion: said outright, by muting it, by complaining soon after."""

_SCORE_RULE = "G31"
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What was shown, and what speaks against it.

    Attributes:
        shown: one row a suggestion, nothing flagged.
        against: for each of ``LABELS``, shape (n,), bool.
        n_decisions: decisions the suggestions came in.
        n_said: suggestions that customers said anything of, good things among them.
        n_nobodys: decisions left out because nobody knows whom they were for.
        n_unreadable: decisions left out because their records lack what rules look at today.
        n_withheld: candidates that the score kept from being shown: nothing is known of them.
        reach: how far labels reach, by the policies they came in under.
    """

    shown: Labelled
    against: Mapping[str, NDArray[np.bool_]]
    n_decisions: int
    n_said: int
    n_nobodys: int
    n_unreadable: int
    n_withheld: int
    reach: Reach

    def speak(self, *, strict: bool) -> bool:
        """Tell whether anybody said anything that counts: where nobody can, silence is no praise."""
        return self.n_said > 0 or (strict and bool(self.against[COMPLAINT].any()))

    def flagged(self, *, strict: bool) -> Labelled:
        """Return the suggestions with their label: called too personal; if strict, anything against them."""
        flagged = self.against[TOO_PERSONAL]
        if strict:
            flagged = np.logical_or.reduce([self.against[name] for name in LABELS])
        columns = {name: getattr(self.shown, name) for name in Labelled.__slots__}
        return Labelled(**columns | {"flagged": flagged})


def read_labels(
    engine: Engine, keyring: Keyring, from_ms: int, to_ms: int, show: Progress
) -> tuple[Labels, Limits]:
    """Read what was shown in a time, and the limits in force.

    Args:
        engine: the database.
        keyring: what recorded decisions are opened with.
        from_ms: first millisecond since the epoch, rounded down to a minute.
        to_ms: first millisecond no longer wanted, rounded up to a minute.
        show: told how far it has come.

    Raises:
        StoreUnavailableError: the database cannot be used.
        PolicyError: the policy in force cannot be read.
    """
    minutes = from_ms // _MINUTE_MS, -(-to_ms // _MINUTE_MS)
    with reading(engine) as conn:
        limits = policy_in_force(conn)[0].limits
        reader = _Reader(limits, read_complaints(conn))
        total = count_shown(conn, *minutes)
        for run in read_shown(conn, keyring, *minutes):
            said = read_said(conn, [each.decision_id for each in run])
            for decision in run:
                reader.add(decision, said.get(decision.decision_id, {}))
            show(reader.n_read, total, f"{reader.n_rows:,} suggestions")
        return reader.labels(_reach(conn, reader.policies)), limits


class _Reader:
    """Takes decisions one by one and keeps of each what a calibration needs: no text, no item, no name."""

    def __init__(self, limits: Limits, complaints: Mapping[bytes, tuple[int, ...]]) -> None:
        self.policies: set[str] = set()
        self.n_read = 0
        self.n_rows = 0
        self._limits = limits
        self._complaints = complaints
        self._counts: Counter[str] = Counter()
        self._parts: list[Labelled] = []
        self._against: dict[str, list[bool]] = {name: [] for name in LABELS}
        self._last_shown: dict[tuple[bytes, int], tuple[int, int, int]] = {}

    def add(self, decision: ShownDecision, said: Mapping[str, set[str]]) -> None:
        """Take one decision, and what was said of its suggestions by item id."""
        self.n_read += 1
        if decision.subject_key is None:
            self._counts["nobodys"] += 1
            return
        try:
            sections = sections_of(decision.body)
            part = _observed(sections, _customer(decision.subject_key), self._limits)
        except RecordError:
            self._counts["unreadable"] += 1
            return
        kinds = [said.get(each["item"], set()) for each in sections["out"]["list"]]
        self._note_complaints(decision.subject_key, sections["req"]["ts"], len(kinds))
        for name in (TOO_PERSONAL, NOT_INTERESTED):
            self._against[name] += [name in each for each in kinds]
        self._counts["said"] += sum(map(bool, kinds))
        self._counts["withheld"] += sum(each["rule"] == _SCORE_RULE for each in sections["out"]["withheld"])
        self._counts["decisions"] += 1
        self.policies.add(decision.policy)
        self._parts.append(part)
        self.n_rows += len(kinds)

    def labels(self, reach: Reach) -> Labels:
        """Return all that was taken."""
        complained = np.zeros(self.n_rows, np.bool_)
        for _, first, n in self._last_shown.values():
            complained[first : first + n] = True
        against = {name: np.array(self._against[name], np.bool_) for name in (TOO_PERSONAL, NOT_INTERESTED)}
        return Labels(
            shown=Labelled.joined([Labelled.empty(), *self._parts]),
            against=against | {COMPLAINT: complained},
            n_decisions=self._counts["decisions"],
            n_said=self._counts["said"],
            n_nobodys=self._counts["nobodys"],
            n_unreadable=self._counts["unreadable"],
            n_withheld=self._counts["withheld"],
            reach=reach,
        )

    def _note_complaints(self, subject_key: bytes, at_ms: int, n: int) -> None:
        """Remember for each complaint the slate that was shown last before it."""
        for since_ms in self._complaints.get(subject_key, ()):
            key = subject_key, since_ms
            before = self._last_shown.get(key, (0, 0, 0))[0]
            if max(before, since_ms - COMPLAINT_WITHIN_DAYS * DAY_MS) <= at_ms <= since_ms:
                self._last_shown[key] = at_ms, self.n_rows, n


def _observed(sections: Mapping[str, Mapping[str, Any]], customer: int, limits: Limits) -> Labelled:
    """Compute the dimensions of what a decision showed by today's code, from what was recorded."""
    where = shown(sections)
    observed = {number: observe(view_of(sections, number), limits) for number in {each for each, _ in where}}

    def column(name: str) -> NDArray[Any]:
        return np.array([getattr(observed[number], name)[row] for number, row in where])

    return Labelled(
        dimensions=np.stack([column(name) for name in DIMENSION_NAMES], axis=1),
        mitigators=np.stack([column(name) for name in MITIGATOR_NAMES], axis=1),
        sensitive=column("sensitive"),
        flagged=np.zeros(len(where), np.bool_),
        customer=np.full(len(where), customer, np.int64),
    )


def _customer(subject_key: bytes) -> int:
    """Return a number that stands for a customer during a calibration."""
    return int.from_bytes(subject_key[:8], "big", signed=True)


def _reach(conn: Connection, policies: set[str]) -> Reach:
    """Return how far labels reach; a policy that is not stored is the one that ships."""
    documents = [get_policy(conn, version) for version in sorted(policies)]
    return Reach.of(load_document(document).limits for document in documents if document is not None)


def changed_policy(engine: Engine, result: Calibration) -> Policy:
    """Return the policy in force with the limits that follow from a calibration.

    Raises:
        StoreUnavailableError: the database cannot be used.
        PolicyError: it would loosen what is locked.
    """
    with reading(engine) as conn:
        policy, _ = policy_in_force(conn)
    policy = replace(policy, limits=result.after)
    require_clean(policy)
    return policy


def as_dict(labels: Labels, result: Calibration, policy: Policy, *, strict: bool) -> dict[str, Any]:
    """Return everything that is known of a calibration, as plain data: what is printed, and drawn."""
    before, after, curve = result.before, result.after, result.curve
    realised, low, high = result.realised()
    row = curve.at(after.score.generalise_micro)
    return {
        "alpha": result.control.alpha,
        "confidence": result.control.confidence,
        "labels": {
            "n_decisions": labels.n_decisions,
            "n_suggestions": result.n_suggestions,
            "n_customers": result.n_customers,
            "n_said": labels.n_said,
            "against": {name: int(labels.against[name].sum()) for name in LABELS},
            "counted": list(LABELS if strict else LABELS[:1]),
            "n_flagged": result.n_flagged,
        },
        "not_observed": {
            "n_withheld_by_score": labels.n_withheld,
            "n_decisions_for_nobody": labels.n_nobodys,
            "n_decisions_unreadable": labels.n_unreadable,
            "from_threshold_micro": result.reach.ceiling_micro,
        },
        "weights": {
            "outcome": result.fit.value,
            "before": asdict(before.weights),
            "after": asdict(after.weights),
        },
        "thresholds": {
            "outcome": result.outcome.value,
            "n_customers_needed": result.control.n_needed,
            "n_customers_used": curve.n_customers,
            "before": asdict(before.score),
            "after": asdict(after.score),
            "confident_micro": result.control.confident_micro,
        },
        "risk": {
            "expected_at_most": float(curve.expected[row]),
            "realised": realised,
            "low": low,
            "high": high,
            "of_all_shown": float(curve.n_flagged[row] / max(curve.n_shown[row], 1)),
        },
        "risk_curve": _columns(curve),
        "reliability": _columns(result.reliability),
        "policy": {"version": version_of(to_document(policy)), "changed": after != before},
    }


def draw(report: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write the reliability diagram and the risk curve of a report as PNG; return the two files.

    Raises:
        OSError: they cannot be written.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415  slow to import, and rarely asked for

    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "reliability.png", folder / "risk.png"
    for file, painter in zip(files, (_draw_reliability, _draw_risk), strict=True):
        figure = Figure(figsize=(8, 5), layout="constrained")
        painter(report, figure.subplots())
        figure.savefig(file, dpi=120)
    return files


def _draw_reliability(report: Mapping[str, Any], axes: Axes) -> None:
    bins = report["reliability"]
    score = [micro / MICRO for micro in bins["score_micro"]]
    share = [100 * k / n for k, n in zip(bins["n_flagged"], bins["n_shown"], strict=True)]
    low = [each - 100 * bound for each, bound in zip(share, bins["low"], strict=True)]
    high = [100 * bound - each for each, bound in zip(share, bins["high"], strict=True)]
    axes.errorbar(score, share, yerr=[low, high], fmt="o", color="#4c72b0", label="flagged, with interval")
    axes.step(
        score, [100 * each for each in bins["foretold"]], where="mid", color="#dd8452", label="foretold"
    )
    axes.axhline(100 * report["alpha"], color="#333333", linewidth=0.8, linestyle=":", label="ceiling")
    axes.set_xlabel("creepiness score")
    axes.set_ylabel("found too personal, % of suggestions")
    axes.set_title("Does a higher score mean more of them?")
    axes.legend()


def _draw_risk(report: Mapping[str, Any], axes: Axes) -> None:
    curve, after = report["risk_curve"], report["thresholds"]["after"]
    threshold = [micro / MICRO for micro in curve["threshold_micro"]]
    for name, label in (("share", "share flagged"), ("expected", "expected at most")):
        axes.plot(threshold, [100 * each for each in curve[name]], label=label)
    axes.axhline(100 * report["alpha"], color="#333333", linewidth=0.8, linestyle=":", label="ceiling")
    axes.axvline(after["generalise_micro"] / MICRO, color="#c44e52", linewidth=1.2, label="threshold")
    axes.set_ylim(0, 100 * max(4 * report["alpha"], 1.1 * min(curve["expected"])))
    axes.set_xlabel("nothing is shown from this score on")
    axes.set_ylabel("found too personal, % of what a customer is shown")
    axes.set_title("What a threshold lets through")
    axes.legend()


def _columns(arrays: Any) -> dict[str, Any]:
    """Return the arrays of something as lists, by name."""
    return {
        name: getattr(arrays, name).tolist()
        for name in arrays.__slots__
        if isinstance(getattr(arrays, name), np.ndarray)
    }
