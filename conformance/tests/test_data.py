"""The data that the suite is made of is found, in a checkout as in an installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop_conformance import data


def test_the_vocabulary_is_found_beside_the_suite():
    assert data.read("vocab", "lifecycles.json")


def test_what_is_installed_inside_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "vocab").mkdir()
    monkeypatch.setattr(data, "_INSTALLED", tmp_path)
    assert data.folder("vocab") == tmp_path / "vocab"


def test_an_installation_that_is_not_whole_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(data, "_ELSEWHERE", {"vocab": tmp_path / "nowhere"})
    with pytest.raises(FileNotFoundError, match="nowhere is missing"):
        data.folder("vocab")
