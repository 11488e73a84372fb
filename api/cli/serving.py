"""``tactful serve``: the HTTP service."""

from __future__ import annotations

import os

import click


@click.command()
@click.option("--host", help="Address to listen on (TACTFUL_HOST).")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port to listen on (TACTFUL_PORT).")
@click.option("--workers", type=click.IntRange(1, 1024), help="Processes that answer (TACTFUL_WORKERS).")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the API until told to stop; requests under way are finished first."""
    from api.cli.server import run, shared_figures  # noqa: PLC0415  the server is not needed for --help

    given = {"TACTFUL_HOST": host, "TACTFUL_PORT": port, "TACTFUL_WORKERS": workers}
    with shared_figures():
        run(dict(os.environ) | {name: str(value) for name, value in given.items() if value is not None})
