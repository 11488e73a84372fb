"""Marshmallow's messages in the words of the house.

Marshmallow hands its messages over with the values filled in. Its own templates tell here which of
them a message was, so that it can be said again in another language.
"""

from __future__ import annotations

import re
import string

from marshmallow import validate

from guardrails.messages import Phrase

_RANGE = validate.Range
_LEAST, _MOST = {"min_op": _RANGE.message_gte}, {"max_op": _RANGE.message_lte}
_TEMPLATES = (
    validate.OneOf.default_message,
    validate.Length.message_min,
    validate.Length.message_max,
    validate.Length.message_all,
    validate.Length.message_equal,
    _RANGE.message_all.format(**_LEAST, **_MOST),
    _RANGE.message_min.format(**_LEAST),
    _RANGE.message_max.format(**_MOST),
)
"""Its templates; one that another begins like comes after it."""


def house_style(message: str) -> str:
    """Return a message as problem details are written: lower case, without a full stop.

    >>> house_style("Longer than maximum length 256.").template
    'longer than maximum length {max}'
    """
    for pattern, template in _PATTERNS:
        if found := pattern.fullmatch(message):
            return Phrase(template, **found.groupdict())
    return _house_style(message)


def _house_style(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _pattern(template: str) -> re.Pattern[str]:
    parts = string.Formatter().parse(template)
    return re.compile(
        "".join(re.escape(text) + (f"(?P<{name}>.*)" if name else "") for text, name, _, _ in parts),
        re.DOTALL,
    )


_PATTERNS = tuple((_pattern(template), _house_style(template)) for template in _TEMPLATES)
