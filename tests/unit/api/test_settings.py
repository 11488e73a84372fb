import base64
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from api.errors import SettingsError
from api.settings import Settings
from guardrails.consent.permission import LawfulBasis
from guardrails.consent.purposes import REGISTER
from guardrails.consent.settings import ConsentSettings

KEY = bytes(range(32))


def test_what_is_not_set_keeps_its_default():
    settings = Settings.from_env({"PATH": "/bin", "OTHER_PORT": "nonsense"})
    assert settings.database_url == "sqlite:///var/tactful.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.workers >= 1
    assert settings.consent == ConsentSettings()
    assert settings.artefacts_dir == Path("var/models")
    assert settings == Settings(database_url="sqlite:///var/tactful.db")


def test_everything_can_be_set():
    settings = Settings.from_env(
        {
            "TACTFUL_DATABASE_URL": "postgresql+psycopg://shop:hunter2@db/tactful",
            "TACTFUL_DATA_DIR": "/srv/tactful",
            "TACTFUL_HOST": "0.0.0.0",  # noqa: S104  nothing listens here
            "TACTFUL_PORT": "9000",
            "TACTFUL_WORKERS": "3",
            "TACTFUL_MAX_BODY_BYTES": "4096",
            "TACTFUL_MAX_EVENT_FUTURE_S": "0",
            "TACTFUL_MAX_EVENT_AGE_DAYS": "30",
            "TACTFUL_METRICS_PUBLIC": "true",
            "TACTFUL_PARAMETERS_URL": "https://shop.example/why",
            "TACTFUL_CONTACT": "help@shop.example",
            "TACTFUL_CONTROLLER": "A Shop Ltd",
            "TACTFUL_RECIPIENTS": "newsletter, ads,newsletter",
            "TACTFUL_TIME_ZONE": "Europe/Oslo",
            "TACTFUL_PURGES_DAILY": "false",
            "TACTFUL_PSEUDONYM_KEY": base64.b64encode(KEY).decode(),
            "TACTFUL_CONSENT_VALID_FOR_DAYS": "180",
            "TACTFUL_CONSENT_MAX_VALID_FOR_DAYS": "200",
            "TACTFUL_CONSENT_GPC_SCOPE": "strict",
            "TACTFUL_CONSENT_GPC_OVERRIDE_ALLOWED": "false",
        }
    )
    assert settings == Settings(
        database_url="postgresql+psycopg://shop:hunter2@db/tactful",
        data_dir=Path("/srv/tactful"),
        host="0.0.0.0",  # noqa: S104  nothing listens here
        port=9000,
        workers=3,
        max_body_bytes=4096,
        max_event_future_s=0,
        max_event_age_days=30,
        metrics_public=True,
        parameters_url="https://shop.example/why",
        contact="help@shop.example",
        controller="A Shop Ltd",
        recipients=("newsletter", "ads"),
        time_zone=ZoneInfo("Europe/Oslo"),
        purges_daily=False,
        pseudonym_key=KEY,
        consent=ConsentSettings(180, 200, "strict", gpc_override_allowed=False),
    )


def test_the_database_is_a_file_in_the_data_folder_unless_it_is_named():
    settings = Settings.from_env({"TACTFUL_DATA_DIR": "/srv/a folder"})
    assert settings.database_url == "sqlite:////srv/a folder/tactful.db"
    assert settings.pseudonym_key_file == Path("/srv/a folder/pseudonym.key")


def test_the_key_that_a_command_acts_with_is_no_setting():
    assert Settings.from_env({"TACTFUL_KEY": "a secret"}) == Settings.from_env({})


@pytest.mark.parametrize("name", ["TACTFUL_PROT", "TACTFUL_", "TACTFUL_CONSENT_GPC", "TACTFUL_port"])
def test_a_name_that_means_nothing_is_refused(name):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: "1"})
    assert f"`{name}`" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("TACTFUL_PORT", text) for text in ("0", "65536", "eighty", "", "8000.0", "-1", "٨٠", "1_000")),
        ("TACTFUL_WORKERS", "0"),
        ("TACTFUL_HOST", " "),
        ("TACTFUL_DATA_DIR", ""),
        ("TACTFUL_MAX_BODY_BYTES", "10"),
        ("TACTFUL_MAX_EVENT_FUTURE_S", "-5"),
        ("TACTFUL_MAX_EVENT_AGE_DAYS", "0"),
        ("TACTFUL_METRICS_PUBLIC", "maybe"),
        *(("TACTFUL_TIME_ZONE", text) for text in ("Mars/Olympus", "../etc/passwd", "/etc/passwd", "CEST+1")),
        ("TACTFUL_PSEUDONYM_KEY", "not base64!"),
        ("TACTFUL_PSEUDONYM_KEY", base64.b64encode(KEY[:-1]).decode()),
        *(
            ("TACTFUL_DATABASE_URL", text)
            for text in (
                "",
                "nonsense",
                "sqlite://",
                "sqlite:///:memory:",
                "mysql://db/x",
                "postgresql://db/x",
            )
        ),
        ("TACTFUL_MODEL_KEEP_DAYS", "-1"),
        ("TACTFUL_LINEAGE_FILE", ""),
        *(("TACTFUL_LINEAGE_URL", text) for text in ("", "lineage.example", "ftp://x/y", "http:///x")),
        ("TACTFUL_LINEAGE_NAMESPACE", " "),
        ("TACTFUL_CONSENT_VALID_FOR_DAYS", "0"),
        ("TACTFUL_CONSENT_GPC_SCOPE", "everything"),
        ("TACTFUL_CONSENT_GPC_OVERRIDE_ALLOWED", "2"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable(name, text):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: text})
    assert f"`{name}`" in str(caught.value)


def test_numbers_of_consent_that_contradict_each_other_are_refused():
    with pytest.raises(SettingsError, match="TACTFUL_CONSENT_"):
        Settings.from_env(
            {"TACTFUL_CONSENT_VALID_FOR_DAYS": "300", "TACTFUL_CONSENT_MAX_VALID_FOR_DAYS": "200"}
        )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TACTFUL_DATABASE_URL", "mysql://shop:hunter2@db/x"),
        ("TACTFUL_PSEUDONYM_KEY", "hunter2"),
        ("TACTFUL_DATABASE_URL", "postgresql+psycopg://shop:hunter2@db:port/x"),
    ],
)
def test_an_error_never_repeats_what_may_be_secret(name, text):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: text})
    assert "hunter2" not in str(caught.value)


def test_secrets_are_in_no_repr():
    settings = Settings("postgresql+psycopg://shop:hunter2@db/x", pseudonym_key=b"hunter2")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("purposes", "document", "refused"),
    [
        *((f"P{number}", "", True) for number in (3, 4, 5, 6)),
        *((f"P{number}", "LIA-7", False) for number in (3, 4, 5, 6)),
        ("P7", "", False),
        *((f"P{number}", "LIA-7", True) for number in (1, 8, 9, 10, 11)),
    ],
)
def test_a_shop_with_a_purpose_on_a_basis_that_cannot_carry_it_does_not_start(purposes, document, refused):
    environ = {
        "TACTFUL_CONSENT_LEGITIMATE_INTEREST": purposes,
        "TACTFUL_CONSENT_LIA_DOCUMENT_ID": document,
    }
    if refused:
        with pytest.raises(SettingsError, match="cannot rest on legitimate interest"):
            Settings.from_env(environ)
    else:
        entry = next(each for each in REGISTER if f"P{each.purpose.value}" == purposes)
        in_force = Settings.from_env(environ).consent.in_force(entry)
        assert in_force.basis is LawfulBasis.LEGITIMATE_INTEREST


def test_where_lineage_is_told_is_set_and_neither_its_address_nor_its_key_is_ever_shown():
    settings = Settings.from_env(
        {
            "TACTFUL_LINEAGE_FILE": "var/lineage.jsonl",
            "TACTFUL_LINEAGE_URL": "https://lineage.example/api/v1/lineage",
            "TACTFUL_LINEAGE_KEY": "secret",
            "TACTFUL_LINEAGE_NAMESPACE": "shop",
            "TACTFUL_MODEL_KEEP_DAYS": "0",
        }
    )
    assert settings.lineage_file == Path("var/lineage.jsonl")
    assert (settings.lineage_namespace, settings.model_keep_days) == ("shop", 0)
    assert "secret" not in repr(settings)
    assert "lineage.example" not in repr(settings)


def test_origins_are_taken_as_browsers_write_them():
    settings = Settings.from_env(
        {"TACTFUL_ORIGINS": "https://shop.example, http://[::1]:8080,https://a.b:8443"}
    )
    assert settings.origins == ("https://shop.example", "http://[::1]:8080", "https://a.b:8443")


@pytest.mark.parametrize(
    "text",
    [
        *("*", "null", "https://*.shop.example", "https://Shop.example", "https://shop.example/"),
        *("https://shop.example:443", "http://shop.example:80", "shop.example", "ftp://shop.example"),
        *("https://shop.example,*", "https://user@shop.example", "https://shop.example?x", "https://"),
    ],
)
def test_what_no_browser_would_send_as_an_origin_is_refused(text):
    with pytest.raises(SettingsError, match="TACTFUL_ORIGINS"):
        Settings.from_env({"TACTFUL_ORIGINS": text})
