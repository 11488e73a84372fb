"""Steps that are taken on pages: the same that the API takes, and what is said about them afterwards."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response

from api.auth import Access, staff
from api.console.showing import see_other
from api.errors import PolicyRefusedError
from api.languages import say
from api.policies.service import Taken
from api.storage.api_keys import Role
from api.wiring import wiring
from guardrails.policy.lifecycle import StepKind
from guardrails.policy.permission import ROLES

READERS = staff(Role.MARKETER, Role.APPROVER, Role.AUDITOR)
"""Whoever may look at policies."""

VERSION = "/console/policies/<name:name>/versions/<name:version>"


def takers(kind: StepKind) -> Access:
    """Return the access of a page on which a step is taken: the roles that the step itself asks for."""
    return staff(*(role for role in Role if role.value in ROLES[kind]))


def take(path: str, step: Callable[[], Taken], said: str) -> Response:
    """Take a step, and lead to where it is told of; a step that may not be taken is told of as well.

    Args:
        path: of the page to go on to.
        step: takes it.
        said: what is said when it was taken, in the language of the page.
    """
    try:
        step()
    except PolicyRefusedError as error:
        wiring().logbook.announce()
        return see_other(path, sentence(say(str(error))), "warning")
    wiring().logbook.announce()
    return see_other(path, said)


def sentence(text: str) -> str:
    """Return what errors say, which has neither capital nor full stop, as a sentence.

    >>> sentence("a reason is needed")
    'A reason is needed.'
    """
    return f"{text[:1].upper()}{text[1:]}."
