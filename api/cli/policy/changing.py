"""The steps in the life of a change: proposed, approved, put in force, taken back.

They are the same steps that requests take, judged by the same service: whoever acts needs a key whose
role may, and nobody approves of what they wrote or proposed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.policy.acting import EXIT_CODES, SHOWN_DIGITS, Acting, acting, step_options, tell
from api.cli.policy.showing import whole_version
from api.cli.terminal import NumberRange

if TYPE_CHECKING:
    from api.policies.service import Taken

_MICRO = 1_000_000
_HOUR_MS = 3_600_000
_MOST_HOURS = 24

_TIME = click.DateTime(
    ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M:%S%z"]
)


def _in_own_words(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """Refuse a reason that says nothing, too much, or has what does not show in it."""
    from api.schemas.policies import MAX_REASON  # noqa: PLC0415  slow to import, not needed for --help

    if text is not None and not (0 < len(text.strip()) <= MAX_REASON and text.isprintable()):
        raise click.BadParameter(f"has to be 1 to {MAX_REASON} characters on one line")
    return text


_until = click.option("--until", type=_TIME, help="When it is over (UTC unless it says otherwise).")
_reason = click.option(
    "--reason", required=True, callback=_in_own_words, help="Why, in your own words; it is kept."
)


@click.command(epilog=EXIT_CODES)
@step_options
def propose(file_or_version: str, *, key_file: Path | None, as_json: bool) -> None:
    """Store a draft, rehearse it unless that was done, and propose it.

    It is proposed in the place of what is in force now. A draft with errors or with failing tests is
    not proposed. Prints the version, which is the hash of what the policy says.
    """
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        act.store()
        _propose(act, service.propose, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@step_options
def rollback(file_or_version: str, *, key_file: Path | None, as_json: bool) -> None:
    """Propose to return to a version that was in force before.

    That is a change like any other: it is rehearsed, and somebody else approves.
    """
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        _propose(act, service.rollback, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@click.option("--base", help="What has to be in force; without it what it was proposed in place of.")
@step_options
def approve(file_or_version: str, *, base: str | None, key_file: Path | None, as_json: bool) -> None:
    """Agree to a proposal. Takes the key of somebody who neither wrote nor proposed it.

    A file that was edited since is another version, which nobody proposed.
    """
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        whole = _base_of(act, base)
        taken = act.take(service.approve, base=whole)
        words = f"version {act.short} is approved in place of {whole[:SHOWN_DIGITS]}"
        if not taken.life.is_approved(taken.version):
            words += "; an auditor has to approve as well"
    tell(taken, words, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@_reason
@step_options
def reject(file_or_version: str, *, reason: str, key_file: Path | None, as_json: bool) -> None:
    """Refuse a proposal, also one that was approved."""
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        taken = act.take(service.reject, reason=reason)
    tell(taken, f"version {act.short} is rejected", as_json=as_json)


@click.command(epilog=EXIT_CODES)
@click.option("--at", type=_TIME, help="Later, by itself (UTC unless it says otherwise).")
@_until
@step_options
def activate(
    file_or_version: str, *, at: datetime | None, until: datetime | None, key_file: Path | None, as_json: bool
) -> None:
    """Put an approved version in force, at once or later."""
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        if at is None:
            taken = act.take(service.activate, until_ms=_ms(until))
        else:
            taken = act.take(service.schedule, at_ms=_ms(at), until_ms=_ms(until))
    comes = "is in force" if at is None else f"comes into force at {in_words(_ms(at) or 0)}"
    tell(taken, f"version {act.short} {comes}{_over(until)}", as_json=as_json)


@click.command(epilog=EXIT_CODES)
@_until
@step_options
def shadow(file_or_version: str, *, until: datetime | None, key_file: Path | None, as_json: bool) -> None:
    """Watch a version beside the one in force: it is evaluated and counted, and withholds nothing."""
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        act.store()
        taken = act.take(service.shadow, until_ms=_ms(until))
    tell(taken, f"version {act.short} is watched{_over(until)}", as_json=as_json)


@click.command(epilog=EXIT_CODES)
@click.option(
    "--share",
    type=NumberRange(0, 0.5, min_open=True),
    required=True,
    help="Share of customers, such as 0.1.",
)
@_until
@step_options
def challenge(
    file_or_version: str, *, share: float, until: datetime | None, key_file: Path | None, as_json: bool
) -> None:
    """Put an approved version in force for a share of customers, of those who agreed to be measured."""
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        taken = act.take(service.challenge, share_micro=round(share * _MICRO), until_ms=_ms(until))
    words = f"version {act.short} is in force for {100 * share:g} % of customers{_over(until)}"
    tell(taken, words, as_json=as_json)


@click.command(epilog=EXIT_CODES)
@click.option("--reason", callback=_in_own_words, help="Why, in your own words; it is kept.")
@step_options
def end(file_or_version: str, *, reason: str | None, key_file: Path | None, as_json: bool) -> None:
    """End whatever runs of a version: its shadow, its challenge, its schedule, its broken glass."""
    from api.policies import service  # noqa: PLC0415  storage is not needed for --help

    with acting(file_or_version, key_file) as act:
        taken = act.take(service.end, reason=reason or "")
    tell(taken, f"nothing runs of version {act.short} any more", as_json=as_json)


@click.command("break-glass", epilog=EXIT_CODES)
@_reason
@click.option(
    "--hours",
    type=NumberRange(0, _MOST_HOURS, min_open=True),
    default=_MOST_HOURS,
    show_default=True,
    help="How long; then what is in force now is in force again.",
)
@step_options
def break_glass(
    file_or_version: str, *, reason: str, hours: float, key_file: Path | None, as_json: bool
) -> None:
    """Put a version in force at once, without approval. It is on record who did so and why."""
    from api.cli.shop import now_ms  # noqa: PLC0415  storage is not needed for --help
    from api.policies import service  # noqa: PLC0415  as above

    with acting(file_or_version, key_file) as act:
        act.store()
        until_ms = now_ms() + round(hours * _HOUR_MS)
        taken = act.take(service.break_glass, reason=reason, until_ms=until_ms)
    words = f"version {act.short} is in force until {in_words(until_ms)}: have it approved by then"
    tell(taken, words, as_json=as_json)


def _propose(act: Acting, step: Callable[..., Taken], *, as_json: bool) -> None:
    """Propose a version; if all that is missing is a rehearsal, run it first."""
    from api.cli.policy.rehearsing import rehearse_stored  # noqa: PLC0415  as elsewhere
    from api.errors import PolicyRefusedError  # noqa: PLC0415  as above
    from guardrails.policy.permission import Because  # noqa: PLC0415  as above

    try:
        taken = act.take(step)
    except PolicyRefusedError as error:
        if error.because is not Because.NOT_REHEARSED:
            raise
        rehearse_stored(act)
        taken = act.take(step)
    proposal = taken.life.versions[taken.version].proposal
    base = "" if proposal is None else f" in place of {proposal.base[:SHOWN_DIGITS]}"
    who = "an auditor" if proposal is not None and proposal.needs_auditor else "somebody else"
    tell(taken, f"version {act.short} is proposed{base}; {who} has to approve", as_json=as_json)


def _base_of(act: Acting, begins: str | None) -> str:
    """Return the base that is agreed to: the one that was named, or what the proposal says."""
    from api.storage.connection import reading  # noqa: PLC0415  storage is not needed for --help
    from api.storage.policies import life_since  # noqa: PLC0415  as above

    with reading(act.shop.engine) as conn:
        if begins is not None:
            return whole_version(conn, begins)
        life = life_since(conn)
    known = life.versions.get(act.version)
    proposal = None if known is None else known.proposal
    return (life.in_force or act.version) if proposal is None else proposal.base


def _ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _over(until: datetime | None) -> str:
    return "" if until is None else f" until {in_words(_ms(until) or 0)}"


def in_words(at_ms: int) -> str:
    """Return a time to the minute.

    >>> in_words(0)
    '1970-01-01 00:00 UTC'
    """
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
