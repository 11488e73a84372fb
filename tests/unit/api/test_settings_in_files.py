"""Settings that are kept in files, as secrets are."""

import base64

import pytest

from api.errors import SettingsError
from api.settings import Settings

KEY = bytes(range(32))


def test_a_setting_can_be_in_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text(base64.b64encode(KEY).decode() + "\n")
    assert Settings.from_env({"TACTFUL_LOG_KEY_FILE": str(file)}).log_key == KEY


def test_a_setting_whose_own_name_ends_like_that_is_no_file_of_another():
    assert str(Settings.from_env({"TACTFUL_LINEAGE_FILE": "events.jsonl"}).lineage_file) == "events.jsonl"


def test_a_setting_that_is_there_twice_is_refused(tmp_path):
    file = tmp_path / "port"
    file.write_text("9000")
    with pytest.raises(SettingsError, match=r"TACTFUL_PORT.* twice"):
        Settings.from_env({"TACTFUL_PORT": "8000", "TACTFUL_PORT_FILE": str(file)})


@pytest.mark.parametrize("content", [None, b"\xff\xfe hunter2"])
def test_a_file_that_cannot_be_read_is_told_without_what_is_in_it(tmp_path, content):
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match="TACTFUL_DATABASE_URL_FILE") as caught:
        Settings.from_env({"TACTFUL_DATABASE_URL_FILE": str(file)})
    assert "hunter2" not in str(caught.value)


def test_a_value_in_a_file_is_held_to_the_same(tmp_path):
    file = tmp_path / "port"
    file.write_text("hunter2")
    with pytest.raises(SettingsError, match="`TACTFUL_PORT`") as caught:
        Settings.from_env({"TACTFUL_PORT_FILE": str(file)})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["TACTFUL_NONSENSE_FILE", "TACTFUL_FILE", "TACTFUL_KEY_FILE"])
def test_a_file_of_no_setting_is_refused(name):
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: "/dev/null"})
