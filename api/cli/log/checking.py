"""``tactful log checkpoint``, ``keys`` and ``verify``: what the log says of itself, and if that is true."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.cli.keyholder import key_option
from api.cli.log.looking import auditor_of, opened
from api.cli.terminal import json_option, print_json, progress, say

if TYPE_CHECKING:
    from api.auditing import Auditor
    from api.cli.shop import Shop
    from guardrails.log.replay import Replayed
    from guardrails.log.verifier import Asked, Report, VerifierKey

VERDICTS = "Exit codes: 0 valid; 1 tampered; 2 incomplete, or not understood; 3 valid but unwitnessed."


@click.command()
@click.option("--witnessed", is_flag=True, help="The last one that a witness has signed.")
def checkpoint(*, witnessed: bool) -> None:
    """Print a signed checkpoint of the log: what it is called, its number of entries and its root.

    Keep it: from any later state of the log it can be shown that it only grew since.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.errors import NotInLogError  # noqa: PLC0415  as above

    with open_shop() as shop:
        note = shop.logbook.witnessed() if witnessed else shop.logbook.checkpoint()
    if note is None:
        raise NotInLogError("no witness has signed a checkpoint so far")
    click.echo(note, nl=False)


@click.command()
@json_option
def keys(*, as_json: bool) -> None:
    """Print what the log is called, its public keys and those of its witnesses.

    Hand them to auditors on another way than the log itself.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help

    with open_shop() as shop:
        origin, vkeys = shop.logbook.origin, shop.logbook.vkeys
        witnesses = [each.vkey for each in shop.settings.log_witnesses]
    if as_json:
        print_json({"origin": origin, "vkeys": vkeys, "witnesses": witnesses})
        return
    click.echo(f"origin   {origin}")
    for name, some in (("log", vkeys), ("witness", witnesses)):
        for each in some:
            click.echo(f"{name:<8} {each}")


@click.command(epilog=VERDICTS)
@click.argument("bundle", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--decision", metavar="ID", help="Of one decision only: its leaf, its proof, and a replay.")
@click.option(
    "--older",
    metavar="FILE",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that was kept: the log must have grown from it; may be repeated.",
)
@click.option(
    "--witness", "witnesses", metavar="VKEY", multiple=True, help="Must have cosigned; may be repeated."
)
@click.option("--log-key", "log_keys", metavar="VKEY", multiple=True, help="Key of the log, of a bundle.")
@click.option("--witnessed", is_flag=True, help="Check against the last checkpoint a witness has signed.")
@click.option("--allow-unwitnessed", is_flag=True, help="Exit with 0 where only a witness is lacking.")
@key_option
@json_option
def verify(
    bundle: Path | None,
    *,
    decision: str | None,
    older: tuple[Path, ...],
    witnesses: tuple[str, ...],
    log_keys: tuple[str, ...],
    witnessed: bool,
    allow_unwitnessed: bool,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Check a bundle, or without one the log as it is stored, and print what was found.

    The log is held against the checkpoint that was signed last, which is kept apart from the database; a
    bundle against its own. --decision opens a record to make its decision again, which takes the key of
    an auditor or an admin and is itself logged; in a bundle it says only where the decision is.
    """
    from guardrails.log.verifier import Asked  # noqa: PLC0415  not needed for --help

    asked = Asked(
        log_keys=_parsed(log_keys, "--log-key"),
        witnesses=_parsed(witnesses, "--witness"),
        older=tuple(file.read_bytes() for file in older),
        decision=decision,
        allow_unwitnessed=allow_unwitnessed,
    )
    if bundle is not None:
        if witnessed or key_file is not None:
            raise click.UsageError(
                "--witnessed and --key-file are of the log as it is stored, not of a bundle"
            )
        _tell(_bundle_report(bundle, asked), as_json=as_json)
    elif log_keys:
        raise click.UsageError("--log-key is of a bundle; the log as it is stored has its own")
    elif decision is not None:
        if older or witnessed:
            raise click.UsageError(
                "--older and --witnessed are of the whole log, --decision is of one decision"
            )
        _verify_decision(decision, asked, key_file, as_json=as_json)
    else:
        _verify_live(asked, witnessed=witnessed, as_json=as_json)


def _parsed(texts: tuple[str, ...], option: str) -> tuple[VerifierKey, ...]:
    from guardrails.log.verifier import InvalidError, parse_vkey  # noqa: PLC0415  not needed for --help

    try:
        return tuple(parse_vkey(text) for text in texts)
    except InvalidError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _bundle_report(bundle: Path, asked: Asked) -> Report:
    from guardrails.log import verifier  # noqa: PLC0415  not needed for --help

    report = verifier.Report()
    try:
        return verifier.check_bundle(verifier.open_bundle(bundle), asked)
    except verifier.VerificationError as error:
        report.add("incomplete" if error.exit_code == verifier.INCOMPLETE else "tampered", str(error))
    return report


def _verify_live(asked: Asked, *, witnessed: bool, as_json: bool) -> None:
    """Check the log as it is stored, print what was found and exit.

    To exit while the shop is open leaves unsigned what is there: a check must not vouch for what it found.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.log_checking import check_log  # noqa: PLC0415  as above

    with open_shop() as shop:
        inside = tuple(each.vkey for each in shop.settings.log_witnesses)
        asked = asked._replace(
            log_keys=_parsed(shop.logbook.vkeys, "TACTFUL_LOG_KEY"),
            witnesses=asked.witnesses or _parsed(inside, "TACTFUL_LOG_WITNESSES"),
        )
        with progress("checking the log") as show:
            report = check_log(shop.logbook, inside, asked, show, witnessed=witnessed)
        _tell(report, as_json=as_json)


def _tell(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_plain())
    else:
        for line in report.lines:
            click.echo(f"{line.kind}: {line.text}")
        if report.first_bad_index is not None:
            click.echo(f"first bad index: {report.first_bad_index}")
        click.echo(f"verdict: {report.verdict}")
    click.get_current_context().exit(report.exit_code)


def _verify_decision(decision: str, asked: Asked, key_file: Path | None, *, as_json: bool) -> None:
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help

    with open_shop() as shop:
        auditor = auditor_of(shop, key_file)
        found, exit_code = _proven(shop, decision, asked)
        if exit_code != 1:
            found["l1"], found["l2"], differs = _replayed(shop, auditor, decision)
            exit_code = 1 if differs else exit_code
    if as_json:
        print_json({"decision_id": decision, **found, "exit_code": exit_code})
    else:
        for name, text in found.items():
            click.echo(f"{name.upper():<6} {text}")
    click.get_current_context().exit(exit_code)


def _proven(shop: Shop, decision: str, asked: Asked) -> tuple[dict[str, Any], int]:
    """Return what is to be said of leaf, proof and signature of a decision, and the exit code of that."""
    from api.log_checking import prove  # noqa: PLC0415  storage is not needed for --help

    inside = tuple(each.vkey for each in shop.settings.log_witnesses)
    proof = prove(shop.logbook, decision, asked, inside)
    found = {"leaf": proof.leaf, "proof": proof.proof, "sig": proof.signature}
    if not proof.is_good:
        return found, 1
    return found, 0 if proof.is_witnessed or asked.allow_unwitnessed else 3


def _replayed(shop: Shop, auditor: Auditor, decision: str) -> tuple[str, str, bool]:
    """Return what came of making a decision again on both levels, and whether it came out otherwise."""
    import orjson  # noqa: PLC0415  not needed for --help

    from api.auditing import Look  # noqa: PLC0415  storage is not needed for --help
    from api.replaying import replay  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from api.wiring import build_digest  # noqa: PLC0415  as above
    from guardrails.log.replay import Finding  # noqa: PLC0415  as above

    record = opened(auditor, decision, Look.REPLAY)
    if record.sections is None:
        return "ERASED", "ERASED", False
    with reading(shop.engine) as conn:
        header = orjson.loads(record.stored.entry)
        report = replay(conn, shop.settings, record.sections, header, build_digest())
    say(f"this look is entry {record.logged_at} of the log")
    differs = Finding.DIFFERS in {report.l1.finding, report.l2.finding}
    return in_words(report.l1), in_words(report.l2), differs


def in_words(replayed: Replayed) -> str:
    """Return what came of a replay: a word, and where something differs, where."""
    word = replayed.finding.value.upper().replace("_", " ")
    return f"{word} at {replayed.pointer}" if replayed.pointer else word
