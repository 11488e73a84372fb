"""What a cluster is told of the database: all that its address asks for, or nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.errors import SettingsError
from api.settings import Settings
from api.training_on_spark import jdbc_options

SECRET = "planted/password"
HERE = f"postgresql+psycopg://tactful:{SECRET.replace('/', '%2F')}@db.example"


def options(url: str) -> dict[str, str]:
    return jdbc_options(Settings(url, data_dir=Path("unused")), read_to=9, n_tasks=2)


def test_the_password_is_told_and_is_not_in_the_address():
    told = options(f"{HERE}:5433/shop")
    assert told["url"] == "jdbc:postgresql://db.example:5433/shop"
    assert (told["user"], told["password"]) == ("tactful", SECRET)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg://[2001:db8::7]/shop", "jdbc:postgresql://[2001:db8::7]:5432/shop"),
        ("postgresql+psycopg://[::1]:5433/shop", "jdbc:postgresql://[::1]:5433/shop"),
        ("postgresql+psycopg://192.0.2.7/shop", "jdbc:postgresql://192.0.2.7:5432/shop"),
        (
            "postgresql+psycopg://db.example/shop%3Fssl%3Dfalse",
            "jdbc:postgresql://db.example:5432/shop%3Fssl%3Dfalse",
        ),
        ("postgresql+psycopg://db.example", "jdbc:postgresql://db.example:5432/"),
    ],
)
def test_an_address_is_written_as_java_reads_it(url, told):
    assert options(url)["url"] == told


@pytest.mark.parametrize(
    ("asked", "name", "told"),
    [
        *(
            (f"sslmode={mode}", "sslmode", mode)
            for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
        ),
        ("sslmode=verify-full&sslrootcert=/etc/ca.pem", "sslrootcert", "/etc/ca.pem"),
        ("sslcert=/etc/client.pem", "sslcert", "/etc/client.pem"),
        ("sslkey=/etc/client.pk8", "sslkey", "/etc/client.pk8"),
        (f"sslpassword={SECRET}", "sslpassword", SECRET),
        ("gssencmode=require", "gssEncMode", "require"),
        ("application_name=tactful", "ApplicationName", "tactful"),
        ("connect_timeout=5", "connectTimeout", "5"),
        ("options=-c%20search_path%3Dshop", "options", "-c search_path=shop"),
    ],
)
def test_what_is_asked_of_a_connection_is_asked_of_that_of_the_cluster_as_well(asked, name, told):
    assert options(f"{HERE}/shop?{asked}")[name] == told


def test_a_certificate_that_is_named_is_held_against_as_it_is_on_this_machine():
    """libpq takes `require` for `verify-ca` then; the JDBC driver would look at nothing."""
    assert options(f"{HERE}/shop?sslmode=require&sslrootcert=/etc/ca.pem")["sslmode"] == "verify-ca"


def test_what_the_environment_asks_of_every_connection_is_asked_too_unless_the_address_says_otherwise(
    monkeypatch,
):
    asked = {
        "PGSSLMODE": "require",
        "PGSSLROOTCERT": "/etc/ca.pem",
        "PGPASSFILE": SECRET,
        "PGHOST": "elsewhere",
    }
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    told = options(f"{HERE}/shop")
    assert (told["sslmode"], told["sslrootcert"]) == ("verify-ca", "/etc/ca.pem")
    assert "elsewhere" not in told["url"]
    assert "passfile" not in told
    assert options(f"{HERE}/shop?sslmode=verify-full")["sslmode"] == "verify-full"
    monkeypatch.setenv("PGCHANNELBINDING", "require")
    with pytest.raises(SettingsError, match="cannot be told channel_binding of"):
        options(f"{HERE}/shop")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("channel_binding=require", "channel_binding"),
        ("sslcrl=/etc/crl.pem&sslmode=require&require_auth=scram-sha-256", "require_auth, sslcrl"),
        ("sslmode=verify-full&sslrootcert=system", "sslrootcert=system"),
        (f"passfile={SECRET}", "passfile"),
    ],
)
def test_what_a_cluster_cannot_be_told_is_refused_by_name(asked, named):
    with pytest.raises(SettingsError, match=f"cannot be told {named} of") as refused:
        options(f"{HERE}/shop?{asked}")
    assert SECRET not in str(refused.value)
    assert "%2F" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////srv/tactful.db", "SQLite"),
        (
            f"postgresql+psycopg://tactful:{SECRET.replace('/', '%2F')}@/shop?host=/run/postgresql",
            "socket file",
        ),
    ],
)
def test_a_database_that_only_this_machine_reaches_is_refused(url, said):
    with pytest.raises(SettingsError, match=said) as refused:
        options(url)
    assert "planted" not in str(refused.value)
