"""The root of the command line, and how every command fails: one line, an exit code, no traceback."""

from __future__ import annotations

from typing import Any

import click

from api.cli.accounts import accounts
from api.cli.bench import bench
from api.cli.calibrate import calibrate
from api.cli.catalog import catalog
from api.cli.database import database
from api.cli.demo import demo
from api.cli.evaluation import evaluate
from api.cli.export import export
from api.cli.forget import forget
from api.cli.guardrails import guardrails
from api.cli.imports import import_group
from api.cli.keys import keys
from api.cli.leakage import leakage
from api.cli.log import log
from api.cli.measure import experiment, measure
from api.cli.models import models
from api.cli.policy import policy
from api.cli.purge import purge
from api.cli.recommend import recommend
from api.cli.serving import serve
from api.cli.training import train
from api.cli.witness import witness
from api.errors import EdgeError
from engine.errors import EngineError
from guardrails.errors import GuardrailError


class Failing(click.Group):
    """A group whose commands fail in plain words.

    Exit codes: 0 done, 1 could not be done, 2 was not understood.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what goes wrong on purpose becomes one line on standard error."""
        try:
            return super().invoke(ctx)
        except (EdgeError, EngineError, GuardrailError) as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            named = f"`{error.filename}`: " if error.filename else ""
            raise click.ClickException(f"{named}{(error.strerror or 'unknown error').lower()}") from None


@click.group(cls=Failing, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="tactful", prog_name="tactful")
def main() -> None:
    """Personalization for online shops that knows when not to speak.

    Settings come from TACTFUL_* variables; the README lists them. Exit codes: 0 done, 1 could not
    be done, 2 was not understood.
    """


for command in (
    demo,
    serve,
    database,
    import_group,
    train,
    models,
    recommend,
    calibrate,
    evaluate,
    leakage,
    measure,
    experiment,
    catalog,
    keys,
    accounts,
    export,
    forget,
    purge,
    guardrails,
    policy,
    log,
    witness,
    bench,
):
    main.add_command(command)
