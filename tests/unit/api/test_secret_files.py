"""A secret is made once, for its owner only, and is on the disk before anything is sealed with it."""

import os
import stat

from api.storage.secret_files import secret_in


def test_a_secret_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    file = tmp_path / "keys" / "secret"
    made = secret_in(file, "secret", lambda: b"first")
    assert made == secret_in(file, "secret", lambda: b"second") == b"first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_new_secret_bears_its_name_on_the_disk_before_it_is_used(tmp_path, monkeypatch):
    file = tmp_path / "secret"
    on_disk = []

    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            on_disk.extend(path.name for path in tmp_path.iterdir())

    monkeypatch.setattr(os, "fsync", sync)
    secret_in(file, "secret", lambda: b"first")
    assert on_disk == ["secret"]
