"""The secret that opens the private keys: the right one opens, everything else says what is wrong and what to do."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import pytest

from fedcoop.errors import Misconfigured
from fedcoop.store import sealing
from fedcoop.store.sealing import Place, establish, rewrap, unlock, write_key_file, write_whole

WORDS: Final = "correct horse battery staple"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    write_key_file(tmp_path / "fedcoop.key")
    return Place(tmp_path / "fedcoop.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def refusal(folder: Path, place: Place) -> tuple[str, str]:
    with pytest.raises(Misconfigured) as caught:
        unlock(folder, place)
    assert caught.value.extra["detail_fr"]
    assert caught.value.extra["next_fr"]
    return caught.value.detail, str(caught.value.extra["next"])


def test_what_is_closed_opens_with_the_same_secret_and_for_the_same_name_only(folder: Path, place: Place):
    closed = establish(folder, place).close(b"a key", bound_to=b"alice")
    seal = unlock(folder, place)
    assert seal is not None
    assert seal.open(closed, bound_to=b"alice") == b"a key"
    assert b"a key" not in closed
    for changed, name in (
        (closed, b"bob"),
        (closed[:-1] + b"x", b"alice"),
        (b"", b"alice"),
        (closed[1:], b"alice"),
    ):
        with pytest.raises(ValueError):
            seal.open(changed, bound_to=name)


def test_a_folder_that_is_not_encrypted_has_no_seal_and_needs_no_secret(folder: Path):
    folder.mkdir()
    assert unlock(folder, Place(folder / "nowhere")) is None


def test_a_passphrase_opens_and_another_does_not(folder: Path, tmp_path: Path):
    establish(folder, Place(tmp_path / "none", WORDS))
    assert unlock(folder, Place(tmp_path / "none", WORDS)) is not None
    detail, _ = refusal(folder, Place(tmp_path / "none", WORDS + "!"))
    assert detail.startswith("the passphrase does not open the private keys in")
    detail, step = refusal(folder, Place(tmp_path / "none"))
    assert "none is given" in detail
    assert step == "set FEDCOOP_KEY_PASSPHRASE"


def test_no_message_and_no_representation_holds_the_passphrase(folder: Path, tmp_path: Path):
    establish(folder, Place(tmp_path / "none", WORDS))
    wrong = Place(tmp_path / "none", "a wrong secret sentence")
    assert "wrong secret" not in repr(wrong)
    assert "wrong secret" not in "".join(refusal(folder, wrong))
    assert WORDS not in (folder / "sealing.json").read_text()


def test_a_missing_key_file_is_named_with_the_next_step(folder: Path, place: Place):
    establish(folder, place)
    place.file.unlink()
    detail, step = refusal(folder, place)
    assert detail == f"the key file {place.file} is not there"
    assert "FEDCOOP_KEY_FILE" in step


def test_a_foreign_key_file_is_named(folder: Path, place: Place, tmp_path: Path):
    establish(folder, place)
    write_key_file(tmp_path / "other.key")
    detail, _ = refusal(folder, Place(tmp_path / "other.key"))
    assert detail == f"the key file {tmp_path / 'other.key'} does not open the private keys in {folder}"


def test_a_key_file_that_everybody_may_read_is_refused(folder: Path, place: Place):
    establish(folder, place)
    place.file.chmod(0o640)
    assert unlock(folder, place) is not None
    place.file.chmod(0o644)
    detail, step = refusal(folder, place)
    assert "may be read by everybody (mode 644)" in detail
    assert step == f"chmod 600 {place.file}"


@pytest.mark.parametrize("size", [0, 31, sealing.MAX_SECRET + 1])
def test_a_key_file_that_can_be_guessed_or_is_no_secret_is_refused(folder: Path, tmp_path: Path, size: int):
    weak = tmp_path / "weak"
    weak.write_bytes(b"x" * size)
    weak.chmod(0o600)
    with pytest.raises(Misconfigured, match=r"has \d+ bytes"):
        establish(folder, Place(weak))
    assert not folder.exists()


def test_a_short_passphrase_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(Misconfigured, match="fewer than 12"):
        establish(folder, Place(tmp_path / "none", "short"))


@pytest.mark.parametrize(
    "change",
    [
        {"key": "AAAA"}, {"key": 1}, {"salt": "!"}, {"n": 0}, {"n": "4096"}, {"n": 3}, {"n": 2**30}, {"format": "x"},
        {"kdf": "none"},
    ],
)  # fmt: skip
def test_a_changed_file_is_refused_and_never_dear(folder: Path, place: Place, change: dict[str, object]):
    establish(folder, place)
    file = folder / "sealing.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    detail, _ = refusal(folder, place)
    assert "sealing.json is damaged" in detail or "does not open" in detail


def test_a_new_secret_opens_what_was_closed_before_and_the_old_one_no_more(folder: Path, place: Place):
    seal = establish(folder, place)
    closed = seal.close(b"a key", bound_to=b"alice")
    rewrap(folder, seal, Place(place.file, WORDS))
    again = unlock(folder, Place(place.file, WORDS))
    assert again is not None
    assert again.open(closed, bound_to=b"alice") == b"a key"
    assert "none is given" in refusal(folder, place)[0]


def test_killed_while_the_secret_is_changed_the_old_one_still_opens(
    folder: Path, place: Place, monkeypatch: pytest.MonkeyPatch
):
    seal = establish(folder, place)

    def power_cut(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", power_cut)
        with pytest.raises(KeyboardInterrupt):
            rewrap(folder, seal, Place(place.file, WORDS))
    assert unlock(folder, place) is not None


def test_a_key_file_is_random_for_its_owner_alone_and_never_written_over(tmp_path: Path):
    for name in "ab":
        write_key_file(tmp_path / name)
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()
    with pytest.raises(Misconfigured, match="there already"):
        write_key_file(tmp_path / "a")
    with pytest.raises(Misconfigured, match="cannot be written"):
        write_key_file(tmp_path / "no" / "folder")


def test_what_is_written_is_for_its_owner_alone(tmp_path: Path):
    umask = os.umask(0)
    try:
        write_whole(tmp_path / "x.json", b"1")
    finally:
        os.umask(umask)
    assert (tmp_path / "x.json").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["x.json"]
