"""Keys of hosted actors: there whole or not at all, for their owner's eyes only, and found again."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from fedcoop.errors import Misconfigured
from fedcoop.store import keyfolder, sealing
from fedcoop.store.keyfolder import KeyFolder
from fedcoop.store.sealing import Place

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
        keyfolder, "generate", lambda a, n: threads.add(threading.current_thread()) or generate(a, n)
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


# -- encrypted -----------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Place:
    sealing.write_key_file(tmp_path / "fedcoop.key")
    return Place(tmp_path / "fedcoop.key")


def test_encrypted_keys_show_nothing_and_are_found_again(folder: Path, place: Place):
    sealing.establish(folder, place)
    made = KeyFolder(folder, place).create(ALICE, "alice")
    text = (folder / "alice.pem").read_bytes()
    assert b"BEGIN PRIVATE KEY" not in text
    again = KeyFolder(folder, place)
    assert again.encrypted
    assert again.open_files == ()
    assert again.proof_key(ALICE)[1].private_bytes_raw() == made.proof.private_bytes_raw()


@pytest.mark.parametrize("place_in_file", [10, 60, 90, 300, -60, -3])
def test_a_damaged_encrypted_file_is_refused_and_named(folder: Path, place: Place, place_in_file: int):
    sealing.establish(folder, place)
    KeyFolder(folder, place).create(ALICE, "alice")
    file = folder / "alice.pem"
    content = bytearray(file.read_bytes())
    content[place_in_file] = ord("B") if content[place_in_file] == ord("A") else ord("A")
    file.write_bytes(content)
    with pytest.raises(Misconfigured, match=r"alice\.pem does not hold the two keys"):
        KeyFolder(folder, place)


def test_one_actors_encrypted_keys_are_not_anothers(folder: Path, place: Place):
    sealing.establish(folder, place)
    KeyFolder(folder, place).create(ALICE, "alice")
    file = folder / "alice.pem"
    file.write_bytes(file.read_bytes().replace(ALICE.encode(), BOB.encode()))
    with pytest.raises(Misconfigured, match="does not hold"):
        KeyFolder(folder, place)


def test_encrypted_keys_without_their_seal_name_what_is_missing(folder: Path, place: Place):
    sealing.establish(folder, place)
    KeyFolder(folder, place).create(ALICE, "alice")
    (folder / "sealing.json").unlink()
    with pytest.raises(Misconfigured, match=r"sealing\.json is damaged or not there"):
        KeyFolder(folder, place)


def test_open_keys_are_encrypted_in_place_and_a_second_time_nothing_is_done(folder: Path, place: Place):
    made = KeyFolder(folder).create_many([(ALICE, "alice"), (BOB, "bob")])
    ring = KeyFolder(folder, place)
    assert not ring.encrypted
    assert len(ring.open_files) == 2
    assert ring.encrypt() == 2
    again = KeyFolder(folder, place)
    assert again.encrypt() == 0
    for keys in made:
        assert again.proof_key(keys.actor)[1].private_bytes_raw() == keys.proof.private_bytes_raw()
        assert again.http_key(keys.actor)[1].private_numbers() == keys.http.private_numbers()
    assert all(b"BEGIN" not in file.read_bytes() for file in folder.glob("*"))


@pytest.mark.parametrize("after", range(12))
def test_killed_at_any_point_of_encrypting_every_key_can_be_read(
    folder: Path, place: Place, after: int, monkeypatch: pytest.MonkeyPatch
):
    made = KeyFolder(folder).create_many([(ALICE, "alice"), (BOB, "bob")])
    steps = itertools.count()

    def until_killed(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            if next(steps) == after:
                raise KeyboardInterrupt
            return real(*arguments)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", until_killed(os.fsync))
        patch.setattr(Path, "rename", until_killed(Path.rename))
        with contextlib.suppress(KeyboardInterrupt):
            KeyFolder(folder, place).encrypt()
    again = KeyFolder(folder, place)
    for keys in made:
        assert again.proof_key(keys.actor)[1].private_bytes_raw() == keys.proof.private_bytes_raw()
    again.encrypt()
    assert KeyFolder(folder, place).open_files == ()


def test_a_server_reads_what_a_command_has_encrypted_meanwhile(folder: Path, place: Place):
    server = KeyFolder(folder, place)
    server.create(ALICE, "alice")
    command = KeyFolder(folder, place)
    command.encrypt()
    made = command.create(BOB, "bob")
    assert server.proof_key(BOB)[1].private_bytes_raw() == made.proof.private_bytes_raw()


def test_another_secret_opens_the_folder_from_now_on(folder: Path, place: Place):
    ring = KeyFolder(folder, place)
    ring.create(ALICE, "alice")
    new = Place(place.file, "correct horse battery staple")
    with pytest.raises(Misconfigured, match="are not encrypted"):
        ring.rewrap(new)
    ring.encrypt()
    ring.rewrap(new)
    assert ALICE in KeyFolder(folder, new)
    with pytest.raises(Misconfigured, match="none is given"):
        KeyFolder(folder, place)


def test_a_published_test_key_is_refused(folder: Path):
    secret = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    made = KeyFolder(folder).create(ALICE, "alice")
    everybodys = dataclasses.replace(made, proof=Ed25519PrivateKey.from_private_bytes(secret))
    keyfolder.write(everybodys, folder / "alice.pem")
    with pytest.raises(Misconfigured, match=r"published test key \(RFC 8032 7\.1 TEST 1\)"):
        KeyFolder(folder)


def test_what_everybody_may_read_is_told_apart_from_what_a_group_may(folder: Path):
    KeyFolder(folder).create_many([(ALICE, "alice"), (BOB, "bob")])
    (folder / "alice.pem").chmod(0o640)
    (folder / "bob.pem").chmod(0o604)
    assert keyfolder.exposed(folder) == (folder / "bob.pem",)


# -- generations ---------------------------------------------------------------------------------------------


async def test_prepared_keys_do_not_sign_before_they_are_promoted(folder: Path, place: Place):
    sealing.establish(folder, place)
    ring = KeyFolder(folder, place)
    first = ring.create(ALICE, "alice")
    server = KeyFolder(folder, place)
    await ring.prepare({ALICE: 2})
    for one in (ring, server, KeyFolder(folder, place)):
        assert one.generation(ALICE) == 1
        assert one.proof_key(ALICE)[0] == f"{ALICE}#ed25519-1"
    http, proof = ring.prepared(ALICE, 2)
    assert proof.private_bytes_raw() != first.proof.private_bytes_raw()
    await ring.promote(ALICE, 2)
    await ring.promote(ALICE, 2)
    for one in (ring, server, KeyFolder(folder, place)):
        assert one.http_key(ALICE)[0] == f"{ALICE}#main-key-2"
        assert one.proof_key(ALICE)[0] == f"{ALICE}#ed25519-2"
        assert one.http_key(ALICE)[1].private_numbers() == http.private_numbers()
    assert ring.prepared(ALICE, 1)[1].private_bytes_raw() == first.proof.private_bytes_raw()


async def test_what_was_prepared_and_not_promoted_is_used_again(folder: Path):
    ring = KeyFolder(folder)
    ring.create(ALICE, "alice")
    await ring.prepare({ALICE: 2})
    before = ring.prepared(ALICE, 2)[1].private_bytes_raw()
    again = KeyFolder(folder)
    await again.prepare({ALICE: 2})
    assert again.prepared(ALICE, 2)[1].private_bytes_raw() == before
    await again.prepare({ALICE: 2}, anew=True)
    assert again.prepared(ALICE, 2)[1].private_bytes_raw() != before
    await again.promote(ALICE, 2)
    assert [file.name for file in sorted(folder.iterdir())] == ["alice.pem", "alice~2.pem"]


async def test_old_private_keys_are_destroyed_and_a_server_forgets_them(folder: Path):
    ring = KeyFolder(folder)
    ring.create_many([(ALICE, "alice"), (BOB, "bob")])
    server = KeyFolder(folder)
    await ring.prepare({ALICE: 2})
    await ring.promote(ALICE, 2)
    assert await ring.destroy(ALICE, below=2) == 1
    assert await ring.destroy(ALICE, below=2) == 0
    assert sorted(file.name for file in folder.iterdir()) == ["alice~2.pem", "bob.pem"]
    assert server.generation(ALICE) == 2
    with pytest.raises(Misconfigured, match="has no keys"):
        server.prepared(ALICE, 1)
    await ring.prepare({ALICE: 3})
    await ring.promote(ALICE, 3)
    assert (folder / "alice~3.pem").exists()


async def test_keys_that_were_lost_are_made_anew_under_the_next_number(folder: Path):
    ring = KeyFolder(folder)
    assert ring.generation(ALICE) == 0
    await ring.prepare({ALICE: 4})
    await ring.promote(ALICE, 4)
    assert KeyFolder(folder).proof_key(ALICE)[0] == f"{ALICE}#ed25519-4"


def test_a_bad_file_beside_good_ones_does_not_silence_a_running_server(folder: Path):
    server = KeyFolder(folder)
    server.create(ALICE, "alice")
    (folder / "x.pem").write_bytes(b"rubbish")
    assert server.proof_key(ALICE)[0] == f"{ALICE}#ed25519-1"
    with pytest.raises(Misconfigured, match=r"x\.pem"):
        server.proof_key(BOB)
