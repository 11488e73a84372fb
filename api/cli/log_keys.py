"""``tactful log rotate-key`` and ``rotate-kek``: new keys in the place of old ones."""

from __future__ import annotations

import click

from api.cli.terminal import say


@click.command("rotate-key")
def rotate_key() -> None:
    """Put a new key in the place of the one that the log signs with; print its public key.

    An entry of the log, signed by both keys, says so, and the checkpoint of it is signed by both. Servers
    that run take the new key by themselves. Hand the new public key to witnesses and auditors. A command
    that was interrupted is gone on with by calling it again.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help

    with open_shop() as shop:
        vkey = shop.logbook.rotate()
    click.echo(vkey)


@click.command("rotate-kek")
def rotate_kek() -> None:
    """Wrap the keys that records are sealed with under a new key-encryption key.

    Stop the servers first, and start them afterwards: one that runs knows the old key alone, and would
    answer about nobody. A command that was interrupted is gone on with by calling it again.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.logbook import rotate_key_encryption_key  # noqa: PLC0415  as above

    with open_shop() as shop:
        n_wrapped = rotate_key_encryption_key(shop.settings, shop.logbook.keyring)
    say(f"{n_wrapped} keys are wrapped under a new key-encryption key; start the servers again")
