"""``tactful witness``: sign what a decision log shows, on behalf of somebody outside the shop."""

from __future__ import annotations

from pathlib import Path

import click

from api.cli.terminal import say


@click.group()
def witness() -> None:
    """Witness decision logs: for auditors, on a machine of their own.

    A witness signs a log's checkpoints as long as the log only grows, so that nothing it has signed
    can be taken back or shown to others differently.
    """


@witness.command()
@click.option("--name", required=True, help="The witness's name, like witness.example/w1.")
@click.option(
    "--key-file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to make."
)
@click.option("--post-quantum", is_flag=True, help="Make an ML-DSA-44 key as well.")
def init(name: str, key_file: Path, *, post_quantum: bool) -> None:
    """Make the witness's key and print its public half, for the shop's TACTFUL_LOG_WITNESSES."""
    from api.witness.keys import make_keys  # noqa: PLC0415  cryptography is not needed for --help

    for signer in make_keys(key_file, name, post_quantum=post_quantum):
        click.echo(signer.vkey)
    say(f"the private key is in {key_file}; whoever has it can sign as {name}")


@witness.command()
@click.option(
    "--key-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="File of the private key.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File that remembers what was signed; never put an older copy in its place.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65_535), default=8100, show_default=True, help="Port to listen on."
)
@click.option(
    "--log",
    "logs",
    metavar="VKEY",
    multiple=True,
    required=True,
    help="Public key of a log; may be repeated.",
)
def serve(key_file: Path, store: Path, host: str, port: int, logs: tuple[str, ...]) -> None:
    """Sign checkpoints of the logs named, until told to stop."""
    from api.witness.server import Duty  # noqa: PLC0415  the server is not needed for --help
    from api.witness.server import serve as run  # noqa: PLC0415  as above

    run(Duty(key_file, store, logs), host, port)
