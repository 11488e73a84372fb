"""``tactful log why``: the smallest change that would have flipped each verdict, in words."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli.keyholder import key_option
from api.cli.log.looking import auditor_of, opened
from api.cli.terminal import json_option, print_json, say


def _language(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    """Refuse a language that the house does not speak."""
    from guardrails.messages import LANGUAGES  # noqa: PLC0415  not needed for --help

    if text not in LANGUAGES:
        raise click.BadParameter(f"`{text}` is none of {', '.join(LANGUAGES)}")
    return text


@click.command(
    epilog="Exit codes: 0 done; 1 refused, or could not be done; 2 was not understood, or no key was given."
)
@click.argument("decision")
@click.option("--item", metavar="ID", help="Explain this item only.")
@click.option(
    "--language", callback=_language, default="en", show_default=True, help="Language of the sentences."
)
@key_option
@json_option
def why(decision: str, *, item: str | None, language: str, key_file: Path | None, as_json: bool) -> None:
    """Say of each item that was withheld or shown what little would have made it otherwise.

    Only what somebody could change is changed, and every answer was tried by judging again. Takes the key
    of an auditor or an admin; the look is logged.
    """
    import orjson  # noqa: PLC0415  not needed for --help

    from api.auditing import Look  # noqa: PLC0415  storage is not needed for --help
    from api.cli.shop import open_shop  # noqa: PLC0415  as above
    from api.errors import NotInLogError  # noqa: PLC0415  as above
    from api.houses import governing, loaded_version  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from guardrails.log.counterfactual import counterfactuals  # noqa: PLC0415  as above
    from guardrails.log.counterfactual_words import sentence  # noqa: PLC0415  as above

    with open_shop() as shop:
        record = opened(auditor_of(shop, key_file), decision, Look.COUNTERFACTUALS)
        if record.sections is None:
            raise NotInLogError("the personal part of this decision was erased")
        sections = {name: orjson.loads(content) for name, content in record.sections.items()}
        with reading(shop.engine) as conn:
            policy = governing(loaded_version(conn, record.stored.policy), None)
        items = None if item is None else {item}
        told = counterfactuals(sections, policy.rules, policy.limits, policy.slate_rules, items=items)
    if item is not None and not told:
        raise click.BadParameter("was neither shown nor withheld", param_hint="--item")
    if as_json:
        print_json(
            {
                "decision_id": decision,
                "counterfactuals": [
                    {**each.to_plain(), "sentence": sentence(each, language)} for each in told
                ],
                "logged_at": record.logged_at,
            }
        )
        return
    for each in told:
        by = f" by {each.rule}" if each.rule else ""
        click.echo(f"{each.item} was {each.was.value}{by}. {sentence(each, language)}.")
    say(f"this look is entry {record.logged_at} of the log")
