"""The bill of materials: everything that is installed, and why, in CycloneDX's form (``make sbom``).

What is depended on directly has its reason from the README; everything else names what brings it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from support.dependencies import ROOT, explained, normalised

REASON = "tactful:reason"
FILE = ROOT / "dist" / "sbom.json"


def main() -> None:
    """Write the bill of materials of the environment that this runs in."""
    FILE.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    subprocess.run(
        [*command, "--pyproject", ROOT / "pyproject.toml", "--of", "JSON", "-o", FILE, sys.executable],
        check=True,
    )
    bill = json.loads(FILE.read_text())
    reasons = {name: why for (name, _), why in explained().items()}
    unexplained = explain(bill, reasons)
    FILE.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")
    said = f"{FILE.relative_to(ROOT)}: {len(bill['components'])} components"
    sys.stdout.write(f"{said}, {len(unexplained)} of them nobody asked for: {', '.join(unexplained)}\n")


def explain(bill: dict[str, Any], reasons: Mapping[str, str]) -> list[str]:
    """Put beside every component why it is there; return the names of those for which there is no reason.

    Args:
        bill: a bill of materials, which is changed.
        reasons: why each direct dependency is there, by its name.
    """
    components = {each["bom-ref"]: each for each in bill["components"]}
    below = {each["ref"]: each.get("dependsOn", ()) for each in bill["dependencies"]}
    brought_by: dict[str, set[str]] = defaultdict(set)
    for ref, component in components.items():
        name = normalised(component["name"])
        if name in reasons:
            _mark_all_below(ref, name, below, brought_by)
    unexplained = []
    for ref, component in components.items():
        name = normalised(component["name"])
        why = reasons.get(name) or f"comes with {', '.join(sorted(brought_by[ref]))}"
        if name not in reasons and not brought_by[ref]:
            unexplained.append(name)
            why = "in the environment, and needed by nothing here"
        component.setdefault("properties", []).append({"name": REASON, "value": why})
    return sorted(unexplained)


def _mark_all_below(
    ref: str, name: str, below: Mapping[str, list[str]], brought_by: dict[str, set[str]]
) -> None:
    waiting = list(below.get(ref, ()))
    while waiting:
        each = waiting.pop()
        if name not in brought_by[each]:
            brought_by[each].add(name)
            waiting += below.get(each, ())


if __name__ == "__main__":
    main()
