"""What the pages on security and limits name is there: every test, every module, every setting."""

import re

import pytest
from support.dependencies import ROOT

from api import settings

PAGES = ("api/SECURITY.md", "api/limits/README.md", "api/adr/0021-too-much-at-once.md")


def named(page, pattern):
    return sorted(set(re.findall(pattern, (ROOT / page).read_text())))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page):
    paths = named(page, r"`((?:tests|api|engine|guardrails)/[\w./-]+)`")
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_setting_that_is_named_is_one(page):
    known = {*settings._READERS, *settings._LIMIT_READERS, *settings._OIDC_READERS}
    assert [name for name in named(page, r"`(TACTFUL_[A-Z_]+)`") if name not in known] == []


def test_every_limit_that_can_be_set_is_told_of():
    told = (ROOT / "api/limits/README.md").read_text()
    short = {name: name.removeprefix("TACTFUL_LIMIT") for name in settings._LIMIT_READERS}
    assert [name for name, end in short.items() if name not in told and f"…{end}" not in told] == []


def test_threats_of_every_kind_name_the_test_that_shows_what_is_done():
    lines = (
        (ROOT / "api/SECURITY.md").read_text().partition("## Threats")[2].partition("\n## ")[0].splitlines()
    )
    rows = [line for line in lines if line.startswith("|")][2:]
    assert [row for row in rows if "`tests/" not in row] == []
    assert re.findall(r"^\| \*\*(\w)\*\*", "\n".join(rows), re.MULTILINE) == list("STRIDE")
