"""How tests are shared out to processes: file by file, and what needs the demo shop to one of them alone.

A file stays together, so that what it builds once is built once. Two processes that build the demo shop each
wait twice as long as one that builds it and asks for everybody.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

JOURNEY = frozenset(
    {
        "tests/integration/journey/test_demo_shop.py",
        "tests/integration/journey/test_no_sensitive_suggestion.py",
        "tests/integration/cli/test_demo.py",
    }
)
"""Files whose tests ask for the demo shop; a test sees to it that there are no others."""


class ByFile(LoadScopeScheduling):
    """Gives files to processes instead of tests."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "journey" if file in JOURNEY else file
