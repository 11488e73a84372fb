"""Pages cannot be registered without saying who may see them, what their forms hold and what their query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, request
from marshmallow import Schema, ValidationError

from api.auth import Access
from api.errors import Finding, InvalidRequestError
from api.pages.forms import TOKEN, read_form
from api.problems import findings_from

View = TypeVar("View", bound=Callable[..., Any])


class Pages(Blueprint):
    """Pages of one kind."""

    def page(
        self,
        method: str,
        rule: str,
        access: Access,
        *,
        query: Schema | None = None,
        form: Schema | None = None,
        from_elsewhere: bool = False,
    ) -> Callable[[View], View]:
        """Register a view.

        Args:
            method: HTTP method: ``GET`` shows, ``POST`` changes something and needs the token of the form.
            rule: path, as werkzeug writes it.
            access: who may see it, made by one of the functions of ``api.auth`` for pages.
            query: schema of the query, whose values the view gets as its first argument; without one any
                query is refused.
            form: schema of the form, handed to the view likewise, as a ``Form``, with what is wrong in it.
            from_elsewhere: whether a page of the shop may send the form, which then has no token of ours.
        """

        def register(view: View) -> View:
            def answer(**arguments: Any) -> Any:
                given: list[Any] = []
                if form is not None:
                    given.append(read_form(form))
                _refuse_unread(query=query is None, body=form is None)
                if query is not None:
                    given.append(_query(query))
                return view(*given, **arguments)

            answer.__name__, answer.__doc__, answer.__module__ = view.__name__, view.__doc__, view.__module__
            declared: Any = answer
            declared.access, declared.from_elsewhere = access, from_elsewhere
            declared.takes_query, declared.takes_form = query is not None, form is not None
            self.add_url_rule(rule, None, declared, methods=[method])
            return view

        return register


def _query(schema: Schema) -> Any:
    """Return what a query says; a parameter that is given twice is a list.

    Raises:
        InvalidRequestError: it says what the schema does not know; names every parameter.
    """
    given = {
        name: values if len(values) > 1 else values[0]
        for name, values in request.args.to_dict(flat=False).items()
    }
    try:
        return schema.load({name: value for name, value in given.items() if value != ""})
    except ValidationError as error:
        raise InvalidRequestError(findings_from(error.messages, in_query=True)) from None


def _refuse_unread(*, query: bool, body: bool) -> None:
    """Refuse a query or a form that nobody reads: what it asks for would be ignored.

    Raises:
        InvalidRequestError: there is one.
    """
    if query and request.args:
        raise InvalidRequestError([Finding("unknown parameter", parameter=name) for name in request.args])
    if body and (unread := set(request.form) - {TOKEN}):
        raise InvalidRequestError([Finding("unknown field", pointer=f"/{name}") for name in sorted(unread)])
