"""A shop on the command line that has decided, so that there is something in its log."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.http import BUYER, EVERYTHING, fill, serving
from support.stores import settings_for

from api.cli import main
from api.settings import Settings
from api.storage.api_keys import Role

N_DECISIONS = 4

Filled = tuple[Path, Mapping[Role, str], Sequence[Mapping[str, Any]]]
"""The folder of a shop, its keys, and what it has answered."""


class LogShop:
    """A shop with decisions in its log, and a key of each role."""

    def __init__(
        self,
        settings: Settings,
        keys: Mapping[Role, str],
        folder: Path,
        answers: Sequence[Mapping[str, Any]],
    ) -> None:
        self.settings, self.keys, self.folder, self.answers = settings, keys, folder, answers
        self.ids = [answer["decision_id"] for answer in answers]

    def log(self, *arguments: object, role: Role | None = None) -> Result:
        """Run a command with the key of a role; nothing gives a key or the customer away."""
        environ = {"TACTFUL_KEY": self.keys[role]} if role is not None else {}
        result = CliRunner().invoke(main, ["log", *map(str, arguments)], env=environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert not any(key in result.output for key in self.keys.values())
        assert BUYER not in result.output
        return result

    def sql(self, statement: str) -> list[Any]:
        """Do something to the database as somebody who has the file."""
        conn = sqlite3.connect(self.settings.database_url.removeprefix("sqlite:///"))
        rows = conn.execute(statement).fetchall()
        conn.commit()
        conn.close()
        return rows

    def disclosures(self) -> list[dict[str, Any]]:
        """Every look that was logged, in order."""
        rows = self.sql("SELECT entry FROM log_entries WHERE type = 'disclosure' ORDER BY log_index")
        return [json.loads(entry) for (entry,) in rows]


def fill_a_shop(template: Path, folder: Path) -> Filled:
    """Let a shop decide: once for nobody, then for a customer who has consented to everything."""
    folder.mkdir()
    shutil.copyfile(template, folder / "tactful.db")
    settings = settings_for(f"sqlite:///{folder / 'tactful.db'}", folder)
    keys = fill(settings)
    with serving(settings, keys) as served:
        answers = [served.recommend().json()]
        served.choose("given", *EVERYTHING)
        answers += [served.recommend(customer_id=BUYER).json() for _ in range(N_DECISIONS - 1)]
    return folder, keys, answers


def copy_of(filled: Filled, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Copy a shop into a folder that is not there yet, and let commands use the copy."""
    shutil.copytree(filled[0], folder)
    settings = settings_for(f"sqlite:///{folder / 'tactful.db'}", folder)
    monkeypatch.setenv("TACTFUL_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(folder))
    monkeypatch.setenv("TACTFUL_PSEUDONYM_KEY", base64.b64encode(settings.pseudonym_key or b"").decode())
    monkeypatch.delenv("TACTFUL_KEY", raising=False)
    return settings
