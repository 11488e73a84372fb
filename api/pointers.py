"""Where in a document something is wrong, as RFC 6901 writes it."""

from __future__ import annotations


def pointer_to(*parts: str | int) -> str:
    """Return the JSON pointer made of the parts.

    >>> pointer_to("items", 0, "a/b")
    '/items/0/a~1b'
    """
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
