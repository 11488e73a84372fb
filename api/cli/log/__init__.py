"""``tactful log``: check the decision log, hand it out, make its decisions again and explain them."""

from __future__ import annotations

import click

from api.cli.log.checking import checkpoint, keys, verify
from api.cli.log.explaining import why
from api.cli.log.exporting import export
from api.cli.log.replaying import replay
from api.cli.log_holds import hold, holds, release
from api.cli.log_keys import rotate_kek, rotate_key
from api.cli.log_prune import prune


@click.group()
def log() -> None:
    """Check, hand out, replay and explain what was decided.

    Whatever opens records takes the key of an auditor or an admin, as requests do: TACTFUL_KEY, or a file
    named by --key-file. Each look is itself logged before anything is shown.
    """


for command in (
    checkpoint,
    keys,
    verify,
    export,
    replay,
    why,
    hold,
    release,
    holds,
    prune,
    rotate_key,
    rotate_kek,
):
    log.add_command(command)
