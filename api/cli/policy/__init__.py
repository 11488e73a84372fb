"""``tactful policy``: policies as files, and their life from draft to in force."""

from __future__ import annotations

import click

from api.cli.policy.changing import (
    activate,
    approve,
    break_glass,
    challenge,
    end,
    propose,
    reject,
    rollback,
    shadow,
)
from api.cli.policy.comparing import diff
from api.cli.policy.linting import lint, run_tests
from api.cli.policy.rehearsing import rehearse
from api.cli.policy.showing import schema, show
from api.cli.policy.standing import status


@click.group()
def policy() -> None:
    """Write, check, rehearse and put in force what a shop lays down.

    Files are YAML or JSON, by their names or else by how they begin; - is standard input. A version is
    the hash of what a policy says; 8 digits of it are enough. Steps in the life of a change take a key,
    as requests do: TACTFUL_KEY, or a file named by --key-file.

    Exit codes: 0 done; 1 findings, failing tests, a difference that was asked for, or could not be
    done; 2 was not understood.
    """


for command in (
    *(lint, run_tests, diff, show, schema, rehearse, status),
    *(propose, approve, reject, activate, rollback, shadow, challenge, end, break_glass),
):
    policy.add_command(command)
