"""Are there known weaknesses in what is pinned? ``make audit``.

Exit codes: 0 nothing is known, 1 something is, 3 that could not be found out. An audit that reached nobody
is not a clean one: pip-audit leaves out what its service does not answer for and ends with 0, so what it left
out is counted here. CI, which may have no way out, says so and goes on (``--or-say-so``).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from support.dependencies import ROOT

SERVICES = ("pypi", "osv")
CLEAN, WEAK, UNKNOWN = 0, 1, 3

_PATIENCE_S = 300


class Audit(NamedTuple):
    """What one service has said.

    Attributes:
        n_audited: packages that it has answered for.
        n_left_out: packages that it has not.
        weak: what is known, a line each.
    """

    n_audited: int
    n_left_out: int
    weak: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    """Ask one service after another until one answers for everything; return the exit code."""
    or_say_so = list(arguments) == ["--or-say-so"]
    for service in SERVICES:
        audit = read_report(_ask(service))
        _say(f"{service}: {audit.n_audited} audited, {audit.n_left_out} left out, {len(audit.weak)} weak")
        for line in audit.weak:
            _say(f"  {line}")
        if audit.weak:
            return WEAK
        if audit.n_audited and not audit.n_left_out:
            return CLEAN
    _say("NOT AUDITED: no service that knows of weaknesses has answered for everything that is pinned")
    return CLEAN if or_say_so else UNKNOWN


def read_report(report: str) -> Audit:
    """Return what a report of pip-audit says; an empty one says nothing."""
    try:
        found: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except ValueError:
        return Audit(0, 0, ())
    audited = [each for each in found if "skip_reason" not in each]
    weak = [
        f"{each['name']} {each['version']}: {weakness['id']}, mended in "
        f"{', '.join(weakness['fix_versions']) or 'none'}"
        for each in audited
        for weakness in each["vulns"]
    ]
    return Audit(len(audited), len(found) - len(audited), tuple(weak))


def _ask(service: str) -> str:
    command = [sys.executable, "-m", "pip_audit", "-r", ROOT / "requirements.lock", "--no-deps"]
    try:
        return subprocess.run(
            [*command, "--disable-pip", "--progress-spinner", "off", "-f", "json", "-s", service],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_S,
        ).stdout
    except subprocess.TimeoutExpired:
        return ""


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
