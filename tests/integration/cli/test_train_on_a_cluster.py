"""``tactful train``: what belongs to a cluster is said of one, or refused."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

from api.cli.training import train


@pytest.mark.parametrize(
    "option",
    [("--interactions", "s3a://bucket/rows"), ("--learner", "walk"), ("--jars", "x.jar"), ("--conf", "a=b")],
)
def test_what_is_of_a_cluster_is_refused_without_one(option):
    result = CliRunner().invoke(train, option)
    assert result.exit_code == 2
    assert f"{option[0]} goes with --on spark" in result.output


@pytest.mark.parametrize("pair", ["spark.ui.enabled", "=true"])
def test_configuration_is_a_name_and_a_value(pair, sqlite_store, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(sqlite_store.settings.data_dir))
    result = CliRunner().invoke(train, ["--on", "spark", "--conf", pair])
    assert result.exit_code == 2
    assert "--conf is NAME=VALUE" in result.output


def test_without_the_extra_it_is_named(sqlite_store, monkeypatch):
    monkeypatch.setenv("TACTFUL_DATA_DIR", str(sqlite_store.settings.data_dir))
    monkeypatch.delitem(sys.modules, "api.training_on_spark", raising=False)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    result = CliRunner().invoke(train, ["--on", "spark"])
    assert result.exit_code == 2
    assert "pip install 'tactful[spark]'" in result.output
