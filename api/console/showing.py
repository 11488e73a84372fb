"""Pages of the console: the same frame around each, in the language of whoever looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, flash, request, session

from api.auth import staff
from api.languages import NAMES, choose_language, negotiated
from api.pages.forms import form_token
from api.pages.rendering import page
from api.pages.sessions import LANGUAGE, signed_in
from api.storage.accounts import Account
from api.storage.api_keys import Role
from guardrails.messages import SOURCE

LANGUAGES = (SOURCE, "da")
"""What the console is written in."""


@dataclass(frozen=True, slots=True)
class Room:
    """A part of the console.

    Attributes:
        path: where it begins.
        name: what it is called, in English.
        roles: whose it is; admins have all of them.
    """

    path: str
    name: str
    roles: frozenset[Role]

    def is_open_to(self, account: Account) -> bool:
        """Tell whether it is there for somebody."""
        return staff(*self.roles).permits(account.role)


_EVERYBODY = frozenset({Role.MARKETER, Role.APPROVER, Role.AUDITOR})

ROOMS = (
    Room("/console", "Overview", _EVERYBODY),
    Room("/console/policies", "Policies", _EVERYBODY),
    Room("/console/decisions", "Decisions", frozenset({Role.AUDITOR})),
    Room("/console/catalogue", "Catalogue", _EVERYBODY),
    Room("/console/models", "Models", _EVERYBODY),
    Room("/console/measurements", "Measurements", _EVERYBODY),
    Room("/console/requests", "Customers' requests", frozenset({Role.AUDITOR})),
    Room("/console/accounts", "Accounts", frozenset({Role.ADMIN})),
)
"""Every part of the console, in the order of its menu."""


def console_language() -> str:
    """Return the language of this page: what was chosen, else what the browser likes best."""
    account = signed_in()
    chosen = (account and account.language) or session.get(LANGUAGE)
    liked = chosen or negotiated(request.headers.get("Accept-Language", ""))
    return choose_language(liked if liked in LANGUAGES else SOURCE)


def show(template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page of the console.

    Args:
        template: name of the template, which extends ``console/frame.html``, or is a part of such a page.
        status: of the answer: 422 for a form with something wrong in it.
        values: what the template shows.
    """
    account = signed_in()
    answer = page(
        template,
        language=console_language(),
        status=status,
        account=account,
        rooms=[room for room in ROOMS if account is not None and room.is_open_to(account)],
        here=request.path,
        csrf_token=form_token(),
        spoken={tag: NAMES[tag] for tag in LANGUAGES},
        **values,
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer


def see_other(path: str, said: str | None = None, kind: str = "done") -> Response:
    """Lead to another page after something was changed.

    Args:
        path: where to.
        said: what is said there, in the language of the page.
        kind: ``done`` or ``warning``.
    """
    if said is not None:
        flash(said, kind)
    if "HX-Request" in request.headers:
        return Response(status=204, headers={"HX-Redirect": path})
    return Response(status=303, headers={"Location": path})
