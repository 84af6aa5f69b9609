"""A document from a file is read as strictly as one from a peer."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedcoop.cli.answer import Failed
from fedcoop.cli.documents import read_object


def test_an_object_is_read(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"name": "Zoé"}', "utf-8")
    assert read_object(tmp_path / "a.json") == {"name": "Zoé"}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff"])
def test_what_could_be_read_in_two_ways_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(Failed) as caught:
        read_object(tmp_path / "a.json")
    assert "a.json" in caught.value.detail


def test_a_file_that_is_absent_is_named(tmp_path: Path):
    with pytest.raises(Failed):
        read_object(tmp_path / "absent.json")
