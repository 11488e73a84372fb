"""Benchmarks say of which code their figures are."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bench.tree import measured


def _git(folder: Path, *arguments: str) -> str:
    nobody = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    command = ["git", *nobody, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _committed(folder: Path) -> str:
    (folder / "kernel.py").write_text("fast = True\n")
    _git(folder, "init", "--quiet")
    _git(folder, "add", "kernel.py")
    _git(folder, "commit", "--quiet", "--message", "One")
    return _git(folder, "rev-parse", "--short", "HEAD")


def test_what_is_committed_is_named_by_its_commit(tmp_path: Path) -> None:
    commit = _committed(tmp_path)
    assert measured(tmp_path).startswith(f"commit {commit}; Python ")


def test_what_is_in_no_commit_is_named_file_by_file(tmp_path: Path) -> None:
    commit = _committed(tmp_path)
    (tmp_path / "kernel.py").write_text("fast = False\n")
    (tmp_path / "trial.py").write_text("")
    assert measured(tmp_path).startswith(
        f"commit {commit} with changes that are in none: kernel.py, trial.py; "
    )


def test_what_is_in_no_repository_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert measured(tmp_path).startswith("of no known commit; ")
