"""Who acts, and on what: steps of a policy's life take a key, as requests do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from api.cli.keyholder import key_of, key_option
from api.cli.policy.documents import Draft, show_refusing
from api.cli.policy.showing import draft_of, whole_version
from api.cli.terminal import json_option, print_json, say

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from api.cli.shop import Shop
    from api.policies.service import Actor, Taken

Command = TypeVar("Command", bound=Callable[..., Any])

SHOWN_DIGITS = 12
"""So many digits of a version are shown in a sentence."""

EXIT_CODES = "Exit codes: 0 done; 1 refused, or could not be done; 2 was not understood, or no key was given."
"""What steps say at the end of their help."""


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who takes a step.

    Attributes:
        shop: where.
        actor: who.
        version: which version it is about.
        draft: the file that named it; ``None`` where it was named itself.
    """

    shop: Shop
    actor: Actor
    version: str
    draft: Draft | None

    @property
    def short(self) -> str:
        """The version, as it is named in a sentence."""
        return self.version[:SHOWN_DIGITS]

    def store(self) -> None:
        """Store the draft unless the store has it: who stores it counts as one of its authors."""
        from api.policies.service import draft  # noqa: PLC0415  storage is not needed for --help
        from api.storage.connection import reading  # noqa: PLC0415  as above
        from api.storage.policies import life_since  # noqa: PLC0415  as above

        if self.draft is None:
            return
        with reading(self.shop.engine) as conn:
            known = self.version in life_since(conn).versions
        if not known:
            draft(self.shop.engine, self.actor, _clock, self.draft.policy)

    def take(self, step: Callable[..., Taken], **detail: Any) -> Taken:
        """Take a step; if it is refused for what was found in the draft, print that.

        Raises:
            UnknownPolicyError: the store does not have the version.
            ForbiddenError: the role of the key may not.
            PolicyRefusedError: something is missing.
        """
        from api.errors import PolicyRefusedError  # noqa: PLC0415  storage is not needed for --help

        engine: Engine = self.shop.engine
        try:
            return step(engine, self.actor, _clock, self.version, **detail)
        except PolicyRefusedError as error:
            show_refusing(self.draft, error.findings)
            raise


def step_options(command: Command) -> Command:
    """Add what every step takes: what it is about, and whose key; and its answer as data."""
    about = click.argument("file_or_version")
    return about(key_option(json_option(command)))


@contextmanager
def acting(file_or_version: str, key_file: Path | None) -> Iterator[Acting]:
    """Open the shop to take a step in.

    Raises:
        UnreadableDraft: the file says something that no policy says.
        UsageError: no key was given, or there is no such version.
        UnauthenticatedError: the key is not known, or was revoked.
    """
    from api.cli.shop import open_shop  # noqa: PLC0415  storage is not needed for --help
    from api.policies.service import Actor  # noqa: PLC0415  as above
    from api.storage.connection import reading  # noqa: PLC0415  as above
    from guardrails.policy.document import to_document, version_of  # noqa: PLC0415  as above

    draft = draft_of(file_or_version)
    with open_shop() as shop:
        key = key_of(shop, key_file)
        if draft is not None:
            version = version_of(to_document(draft.policy))
        else:
            with reading(shop.engine) as conn:
                version = whole_version(conn, file_or_version)
        yield Acting(shop, Actor(key.key_id, key.role.value), version, draft)


def tell(taken: Taken, words: str, *, as_json: bool) -> None:
    """Print what came of a step: the version on standard output, the rest in words beside it."""
    if not as_json:
        click.echo(taken.version)
        say(words)
        return
    step = None if taken.entry is None else taken.entry.step
    print_json(
        {
            "version": taken.version,
            "state": taken.life.state_of(taken.version).value,
            "in_force": taken.life.in_force,
            "step": None if step is None else {"number": step.number, "kind": step.kind.value},
        }
    )


def _clock() -> int:
    from api.cli.shop import now_ms  # noqa: PLC0415  storage is not needed for --help

    return now_ms()
