"""Run every benchmark and print its figures beside those of its peers, all from one run.

python -m tests.bench            the whole run
python -m tests.bench --quick    smaller sizes, to see that it works
python -m tests.bench --json     one JSON document
python -m tests.bench kernel     only the benchmarks named
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from tests.bench.tree import measured


def main() -> None:
    """Find, run and print."""
    names = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="figures beside their peers")
    parser.add_argument("only", nargs="*", help=f"which of: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    chosen = parser.parse_args()
    unknown = set(chosen.only) - set(names)
    if unknown:
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))}")
    print(measured(), file=sys.stderr if chosen.json else sys.stdout, flush=True)
    figures = {}
    for name in chosen.only or names:
        print(f"… {name}", file=sys.stderr, flush=True)
        figures[name] = importlib.import_module(f"tests.bench.bench_{name}").run(quick=chosen.quick)
        if not chosen.json:
            print_table(name, figures[name])
    if chosen.json:
        print(json.dumps(figures, indent=2))


def print_table(name: str, rows: list[dict[str, object]]) -> None:
    """Print one benchmark's rows as a table; columns are the keys of all rows, in order."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(column, "")) for column in columns] for row in rows]
    widths = [
        max(len(text) for text in (column, *texts))
        for column, texts in zip(columns, zip(*cells, strict=True), strict=True)
    ]
    print(f"\n{name}")
    for line in [columns, ["-" * width for width in widths], *cells]:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def _cell(value: object) -> str:
    return f"{value:,.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
