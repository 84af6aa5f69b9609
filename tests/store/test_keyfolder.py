"""Keys of hosted actors: there whole or not at all, for their owner's eyes only, and found again."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from fedcoop.errors import Misconfigured
from fedcoop.store import keyfolder
from fedcoop.store.keyfolder import KeyFolder

ALICE: Final = "https://coop.example/actors/alice"
BOB: Final = "https://coop.example/actors/bob"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_an_actors_keys_are_made_named_and_found_again(folder: Path):
    made = KeyFolder(folder).create(ALICE, "alice")
    again = KeyFolder(folder)
    assert ALICE in again
    assert BOB not in again
    key_id, rsa_key = again.http_key(ALICE)
    method, ed_key = again.proof_key(ALICE)
    assert key_id == f"{ALICE}#main-key"
    assert method == f"{ALICE}#ed25519-1"
    assert rsa_key.key_size == 2048
    assert rsa_key.public_key().public_numbers().e == 65537
    made.http.public_key().verify(rsa_key.sign(b"x", PKCS1v15(), SHA256()), b"x", PKCS1v15(), SHA256())
    made.proof.public_key().verify(ed_key.sign(b"x"), b"x")


def test_keys_are_for_their_owners_eyes_only(folder: Path):
    umask = os.umask(0)
    try:
        keys = KeyFolder(folder)
        keys.create(ALICE, "alice")
    finally:
        os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "alice.pem").stat().st_mode & 0o777 == 0o600
    assert KeyFolder(folder).warnings == ()


def test_a_key_file_that_others_may_read_is_warned_of_with_the_command_that_helps(folder: Path):
    KeyFolder(folder).create(ALICE, "alice")
    (folder / "alice.pem").chmod(0o640)
    (warning,) = KeyFolder(folder).warnings
    assert f"chmod 600 {folder / 'alice.pem'}" in warning


def test_an_actor_keeps_the_keys_that_it_has(folder: Path):
    keys = KeyFolder(folder)
    first = keys.create(ALICE, "alice")
    content = (folder / "alice.pem").read_bytes()
    assert keys.create(ALICE, "alice") is first
    assert keys.create(ALICE, "alice-2") is first
    assert (
        KeyFolder(folder).create(ALICE, "alice").proof.private_bytes_raw() == first.proof.private_bytes_raw()
    )
    assert (folder / "alice.pem").read_bytes() == content
    assert [file.name for file in folder.iterdir()] == ["alice.pem"]


def test_nobody_takes_over_anothers_file(folder: Path):
    keys = KeyFolder(folder)
    keys.create(ALICE, "alice")
    content = (folder / "alice.pem").read_bytes()
    with pytest.raises(Misconfigured, match="another actor"):
        keys.create(BOB, "alice")
    with pytest.raises(Misconfigured, match="two actors"):
        keys.create_many([(BOB, "x"), (BOB + "2", "x")])
    assert (folder / "alice.pem").read_bytes() == content
    assert BOB not in keys


@pytest.mark.parametrize(
    "slug", ["", ".", "..", "../x", "a/b", "/x", ".hidden", "-x", "A", "é", "a b", "a\n", "a" * 65]
)
def test_a_name_leads_nowhere_else(folder: Path, slug: str):
    keys = KeyFolder(folder)
    with pytest.raises(Misconfigured, match="a key file is named"):
        keys.create(ALICE, slug)
    assert list(folder.iterdir()) == []
    assert [path.name for path in folder.parent.iterdir()] == ["keys"]


def test_many_are_made_at_once_and_all_are_different(folder: Path, monkeypatch: pytest.MonkeyPatch):
    threads = set()
    generate = keyfolder.generate
    monkeypatch.setattr(
        keyfolder, "generate", lambda a: threads.add(threading.current_thread()) or generate(a)
    )
    actors = [(f"https://coop.example/actors/m{n}", f"m{n}") for n in range(12)]
    made = KeyFolder(folder).create_many([*actors, actors[0]])
    assert [keys.actor for keys in made] == [actor for actor, _ in [*actors, actors[0]]]
    assert len({keys.http.private_numbers().p for keys in made}) == 12
    assert len({keys.proof.private_bytes_raw() for keys in made}) == 12
    assert threading.main_thread() not in threads
    again = KeyFolder(folder)
    assert all(actor in again for actor, _ in actors)


def test_an_actor_without_keys_is_an_operators_business_and_is_told_what_to_do(folder: Path):
    keys = KeyFolder(folder)
    for ask in (keys.http_key, keys.proof_key):
        with pytest.raises(
            Misconfigured, match="restore them from a backup, or add the member again"
        ) as told:
            ask(ALICE)
        assert ALICE in told.value.detail


def test_a_member_added_beside_the_running_server_is_found(folder: Path):
    server = KeyFolder(folder)
    command = KeyFolder(folder)
    made = command.create(ALICE, "alice")
    assert server.proof_key(ALICE)[1].private_bytes_raw() == made.proof.private_bytes_raw()
    command.create(BOB, "bob")
    assert (
        server.create(BOB, "bob").proof.private_bytes_raw() == command.proof_key(BOB)[1].private_bytes_raw()
    )


@pytest.mark.parametrize("place", [0, 10, 60, 300, 1500, -60, -2])
def test_a_damaged_file_is_refused_and_named(folder: Path, place: int):
    KeyFolder(folder).create(ALICE, "alice")
    file = folder / "alice.pem"
    content = bytearray(file.read_bytes())
    content[place] = ord("B") if content[place] == ord("A") else ord("A")
    file.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"alice\.pem does not hold the two keys"):
        KeyFolder(folder)


@pytest.mark.parametrize("content", [b"", b"Actor: x\n", b"\xff" * 100, b"-----BEGIN PRIVATE KEY-----\n"])
def test_a_file_that_is_not_ours_is_refused_and_named(folder: Path, content: bytes):
    folder.mkdir()
    (folder / "x.pem").write_bytes(content)
    with pytest.raises(Misconfigured, match=r"x\.pem"):
        KeyFolder(folder)


def test_two_files_for_one_actor_are_refused(folder: Path):
    KeyFolder(folder).create(ALICE, "alice")
    (folder / "b.pem").write_bytes((folder / "alice.pem").read_bytes())
    with pytest.raises(Misconfigured, match="two files"):
        KeyFolder(folder)


def test_a_crash_while_writing_leaves_no_half_actor(folder: Path, monkeypatch: pytest.MonkeyPatch):
    keys = KeyFolder(folder)

    def power_cut(_descriptor: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", power_cut)
        with pytest.raises(KeyboardInterrupt):
            keys.create(ALICE, "alice")
    again = KeyFolder(folder)
    assert ALICE not in again
    again.create(ALICE, "alice")
    assert ALICE in KeyFolder(folder)
    assert [file.name for file in folder.iterdir()] == ["alice.pem"]


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path):
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(Misconfigured, match="check who owns"):
        KeyFolder(tmp_path / "keys")


def test_a_full_disk_says_so_and_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch):
    keys = KeyFolder(folder)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Misconfigured, match="No space left"):
        keys.create(ALICE, "alice")
    assert ALICE not in keys
