"""``tactful bench``: each step is measured, and the shop's own log stays as it is."""

import json

from click.testing import CliRunner
from support.http import fill

from api.cli import main
from api.settings import Settings
from api.storage.connection import open_engine, reading, upgrade
from api.storage.log import read_state


def test_the_steps_are_measured_and_nothing_is_recorded(tmp_path, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(tmp_path / "shop"))
    settings = Settings.from_env({"TACTFUL_DATA_DIR": str(tmp_path / "shop")})
    engine = open_engine(settings)
    upgrade(engine)
    assert "no customers" in CliRunner().invoke(main, ["bench"]).stderr
    fill(settings)
    with reading(engine) as conn:
        before = read_state(conn).size
    result = CliRunner().invoke(main, ["bench", "--json"])
    assert result.exit_code == 0, result.output
    rows = {row["step"]: row for row in json.loads(result.stdout)}
    assert {"read", "decide", "write down", "record, 64 at a time"} <= set(rows)
    assert all(row["per_second"] > 0 for row in rows.values())
    shown = CliRunner().invoke(main, ["bench", "--customers", "1"])
    assert "decide" in shown.stdout
    assert CliRunner().invoke(main, ["bench", "--placement", "nowhere"]).exit_code == 2
    with reading(engine) as conn:
        assert read_state(conn).size == before
    engine.dispose()
