from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import SettingsError
from api.settings import Settings
from api.storage.subjects import SUBJECT_KEY_BYTES, Subjects, open_subjects

names = st.text(min_size=1, alphabet=st.characters(codec="utf-8"))


def settings_in(folder):
    return Settings(database_url="sqlite:///unused.db", data_dir=folder)


@given(st.lists(names, min_size=2, max_size=5, unique=True))
def test_different_customers_and_visits_have_different_keys(several):
    subjects = Subjects(b"k" * 32)
    kinds = (subjects.account, subjects.session, subjects.device)
    keys = {key_of(name) for key_of in kinds for name in several}
    assert len(keys) == len(kinds) * len(several)
    assert {len(key) for key in keys} == {SUBJECT_KEY_BYTES}


@given(names)
def test_a_key_says_nothing_without_the_secret(name):
    assert Subjects(b"k" * 32).account(name) == Subjects(b"k" * 32).account(name)
    assert Subjects(b"k" * 32).account(name) != Subjects(b"l" * 32).account(name)


def test_what_is_remembered_of_an_erased_customer_joins_with_nothing():
    subjects = Subjects(b"k" * 32)
    key = subjects.account("anna")
    assert subjects.suppression(key) == Subjects(b"k" * 32).suppression(key) != key
    assert subjects.token_secret() not in {key, subjects.suppression(key), b"k" * 32}


def test_the_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    settings = settings_in(tmp_path / "new")
    first = open_subjects(settings)
    assert open_subjects(settings).account("anna") == first.account("anna")
    assert settings.pseudonym_key_file.stat().st_mode & 0o777 == 0o600
    assert len(settings.pseudonym_key_file.read_bytes()) == 32
    assert [each.name for each in settings.data_dir.iterdir()] == ["pseudonym.key"]


def test_processes_that_start_at_once_agree_on_the_secret(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        keys = threads.map(lambda _: open_subjects(settings_in(tmp_path)).account("anna"), range(32))
        assert len(set(keys)) == 1


def test_a_secret_from_the_settings_needs_no_file(tmp_path):
    settings = Settings("sqlite:///unused.db", data_dir=tmp_path, pseudonym_key=b"k" * 32)
    assert open_subjects(settings).account("anna") == Subjects(b"k" * 32).account("anna")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path):
    (tmp_path / "pseudonym.key").write_bytes(b"too short")
    with pytest.raises(SettingsError, match="32 bytes"):
        open_subjects(settings_in(tmp_path))
    assert (tmp_path / "pseudonym.key").read_bytes() == b"too short"


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be used"):
        open_subjects(settings_in(tmp_path / "file"))


def test_the_secret_is_in_no_repr():
    assert "kkkk" not in repr(Subjects(b"k" * 32))
