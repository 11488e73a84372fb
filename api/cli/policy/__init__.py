"""``tactful policy``: policies as files, and their life from draft to in force."""

from __future__ import annotations

import click

from api.cli.policy.comparing import diff
from api.cli.policy.linting import lint, run_tests
from api.cli.policy.showing import schema, show


@click.group()
def policy() -> None:
    """Write, check, rehearse and put in force what a shop lays down.

    Files are YAML or JSON, by their names or else by how they begin; - is standard input.

    Exit codes: 0 done; 1 findings, failing tests, a difference that was asked for, or could not be
    done; 2 was not understood.
    """


for command in (lint, run_tests, diff, show, schema):
    policy.add_command(command)
