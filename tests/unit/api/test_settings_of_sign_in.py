"""What a shop says about signing in: elsewhere, and from behind proxies."""

import pytest

from api import settings as module
from api.errors import SettingsError
from api.settings import OidcSettings, Settings
from api.storage.accounts import STAFF

OIDC = {
    "TACTFUL_OIDC_ISSUER": "https://login.shop.example/",
    "TACTFUL_OIDC_CLIENT_ID": "tactful",
    "TACTFUL_OIDC_CLIENT_SECRET": "hunter2",
    "TACTFUL_OIDC_ROLES": "shop-admins=admin, shop-marketing = marketer",
}


def test_nobody_signs_in_elsewhere_unless_it_is_set_up():
    assert Settings.from_env({}).oidc is None


def test_signing_in_elsewhere_is_set_up_as_a_whole():
    roles = (("shop-admins", "admin"), ("shop-marketing", "marketer"))
    expected = OidcSettings("https://login.shop.example/", "tactful", "hunter2", roles, "groups")
    assert Settings.from_env(OIDC).oidc == expected
    assert Settings.from_env({**OIDC, "TACTFUL_OIDC_CLAIM": "realm.roles"}).oidc.claim == "realm.roles"


@pytest.mark.parametrize("name", OIDC)
def test_a_part_that_is_missing_is_named(name):
    with pytest.raises(SettingsError, match=f"`{name}` is missing"):
        Settings.from_env({other: text for other, text in OIDC.items() if other != name})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("TACTFUL_OIDC_ISSUER", text)
            for text in (
                "",
                "login.shop.example",
                "http://login.shop.example",
                "https://login.shop.example?x=1",
                "https://login.shop.example#x",
            )
        ),
        ("TACTFUL_OIDC_CLIENT_ID", " "),
        ("TACTFUL_OIDC_CLIENT_SECRET", ""),
        *(("TACTFUL_OIDC_ROLES", text) for text in ("", "admins", "admins=", "=admin", "admins=site", "a=b")),
        ("TACTFUL_OIDC_CLAIM", ""),
        ("TACTFUL_PROXIES", "-1"),
        ("TACTFUL_PROXIES", "17"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable(name, text):
    with pytest.raises(SettingsError, match=f"`{name}`"):
        Settings.from_env({**OIDC, name: text})


def test_a_provider_on_this_machine_needs_no_tls():
    for issuer in ("http://localhost:8080", "http://127.0.0.1/realm", "http://[::1]:1"):
        assert Settings.from_env({**OIDC, "TACTFUL_OIDC_ISSUER": issuer}).oidc.issuer == issuer


def test_the_roles_that_can_be_mapped_are_those_that_people_have():
    for role in STAFF:
        assert Settings.from_env({**OIDC, "TACTFUL_OIDC_ROLES": f"x={role.value}"}).oidc.roles == (
            ("x", role.value),
        )


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"tactful\[oidc\]"):
        Settings.from_env(OIDC)
    assert Settings.from_env({}).oidc is None


def test_the_secret_is_in_no_repr():
    assert "hunter2" not in repr(Settings.from_env(OIDC))
