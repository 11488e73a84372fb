"""Limits are set like everything else, and one that cannot be is refused by its name."""

from dataclasses import fields

import pytest

from api import settings
from api.errors import SettingsError
from api.limits.settings import LimitSettings
from api.settings import Settings


def test_every_limit_can_be_set():
    known = {name.removeprefix("TACTFUL_LIMIT_").lower() for name in settings._LIMIT_READERS}
    assert known == {each.name for each in fields(LimitSettings)}
    set_to = {name: str(number) for number, name in enumerate(settings._LIMIT_READERS, start=3)}
    read = Settings.from_env(set_to).limit
    assert [getattr(read, name.removeprefix("TACTFUL_LIMIT_").lower()) for name in set_to] == [
        int(number) for number in set_to.values()
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FULL_AT_ONCE", "0"),
        ("LEAST_AT_ONCE", "-1"),
        ("OTHER_AT_ONCE", "1025"),
        ("KEY_PER_SECOND", "fast"),
        ("KEY_AT_ONCE", "0"),
        ("CUSTOMER_AT_ONCE", "0"),
        ("ADDRESS_AT_ONCE", "0"),
        ("KEY_PER_DAY", "1.5"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(SettingsError, match=f"setting `TACTFUL_LIMIT_{name}` is not a whole number"):
        Settings.from_env({f"TACTFUL_LIMIT_{name}": value})
