"""`fedcoop keys`: encrypted by default, converted when they were not, opened by another secret, renewed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedcoop.config import load
from fedcoop.store.keyfolder import KeyFolder, write
from fedcoop.store.sealing import Place
from tests.cli.conftest import Run

GOOD = ("--base-url", "https://coop-lyon.example", "--name", "Lyon")
WORDS = "correct horse battery staple"


@pytest.fixture
def lyon(run: Run, tmp_path: Path) -> Path:
    assert run("init", tmp_path / "lyon", *GOOD).status == 0
    return tmp_path / "lyon"


def lay_open(folder: Path) -> None:
    """Write the keys of `folder` as releases before encryption did."""
    ring = KeyFolder(folder / "keys")
    for file, keys in ring._files.items():
        write(keys, file)
    (folder / "keys" / "sealing.json").unlink()
    (folder / "fedcoop.key").unlink()


def test_init_encrypts_with_a_key_file_and_says_what_to_back_up(run: Run, tmp_path: Path):
    done = run("init", tmp_path / "lyon", *GOOD)
    assert f"{tmp_path / 'lyon' / 'fedcoop.key'} opens them. Back it up" in done.out
    assert (tmp_path / "lyon" / "fedcoop.key").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "lyon" / "keys" / "fedcoop.key").exists()
    assert KeyFolder(tmp_path / "lyon" / "keys").open_files == ()
    french = run("init", tmp_path / "nantes", *GOOD, "--lang", "fr")
    assert "Sauvegardez-le à part de ce dossier" in french.out


def test_init_takes_the_operators_own_key_file_or_passphrase(run: Run, tmp_path: Path):
    own = tmp_path / "own.key"
    missing = run("init", tmp_path / "a", *GOOD, "--json", environment={"FEDCOOP_KEY_FILE": str(own)})
    assert missing.status == 1
    assert missing.json["error"]["detail"] == f"the key file {own} is not there"
    assert not (tmp_path / "a").exists()
    own.write_text("x" * 40)
    own.chmod(0o600)
    done = run("init", tmp_path / "a", *GOOD, "--json", environment={"FEDCOOP_KEY_FILE": str(own)})
    assert done.json["keyFile"] == str(own)
    assert not (tmp_path / "a" / "fedcoop.key").exists()
    done = run("init", tmp_path / "b", *GOOD, "--json", environment={"FEDCOOP_KEY_PASSPHRASE": WORDS})
    assert done.json["keyFile"] is None
    assert not (tmp_path / "b" / "fedcoop.key").exists()
    told = run("member", "add", tmp_path / "b", "Awa", "--json")
    assert told.status == 1
    assert "none is given" in told.json["error"]["detail"]
    assert told.json["error"]["next"] == "set FEDCOOP_KEY_PASSPHRASE"
    french = run("member", "add", tmp_path / "b", "Awa", "--lang", "fr")
    assert "phrase secrète, et elle n’est pas donnée" in french.err
    assert (
        run("member", "add", tmp_path / "b", "Awa", environment={"FEDCOOP_KEY_PASSPHRASE": WORDS}).status == 0
    )
    wrong = run("serve", tmp_path / "b", environment={"FEDCOOP_KEY_PASSPHRASE": WORDS + "x"})
    assert wrong.status == 1
    assert "the passphrase does not open the private keys" in wrong.err
    assert WORDS not in wrong.err


def test_doctor_says_whether_the_keys_are_encrypted_and_encrypt_makes_it_so(run: Run, lyon: Path):
    actors = KeyFolder(lyon / "keys")
    base = "https://coop-lyon.example/actors/coop"
    before = actors.proof_key(base)[1].private_bytes_raw()

    def check() -> dict[str, str]:
        return {c["check"]: c["status"] for c in run("doctor", lyon, "--json").json["checks"]}

    assert check()["encryption"] == "ok"
    lay_open(lyon)
    assert check()["encryption"] == "problem"
    said = run("doctor", lyon, "--lang", "fr")
    assert "ne sont pas chiffrés" in said.out
    assert f"fedcoop keys encrypt {lyon}" in said.out
    done = run("keys", "encrypt", lyon, "--json")
    assert done.json == {"ok": True, "encrypted": 2, "keyFile": str(lyon / "fedcoop.key")}
    assert run("keys", "encrypt", lyon, "--json").json["encrypted"] == 0
    assert check()["encryption"] == "ok"
    assert KeyFolder(lyon / "keys").proof_key(base)[1].private_bytes_raw() == before


def test_doctor_names_a_missing_key_file(run: Run, lyon: Path):
    (lyon / "fedcoop.key").unlink()
    done = run("doctor", lyon)
    assert done.status == 1
    assert f"the key file {lyon / 'fedcoop.key'} is not there" in done.out


def test_the_secret_is_changed_to_a_passphrase_and_to_another_file(run: Run, lyon: Path, tmp_path: Path):
    none = run("keys", "passphrase", lyon)
    assert none.status == 1
    assert "FEDCOOP_NEW_KEY_PASSPHRASE" in none.err
    done = run("keys", "passphrase", lyon, "--json", environment={"FEDCOOP_NEW_KEY_PASSPHRASE": WORDS})
    assert done.json["secret"] == "passphrase"
    assert len(KeyFolder(lyon / "keys", Place(lyon / "fedcoop.key", WORDS))._files) == 2
    assert run("keys", "passphrase", lyon, "--new-key-file", tmp_path / "k").status == 1
    environment = {"FEDCOOP_KEY_PASSPHRASE": WORDS}
    done = run("keys", "passphrase", lyon, "--new-key-file", tmp_path / "k", environment=environment)
    assert f'key_file = "{tmp_path / "k"}"' in done.out
    assert len(KeyFolder(lyon / "keys", Place(tmp_path / "k"))._files) == 2


def test_a_key_file_is_found_where_the_settings_say(run: Run, lyon: Path, tmp_path: Path):
    (lyon / "fedcoop.key").rename(tmp_path / "elsewhere.key")
    settings = lyon / "fedcoop.toml"
    settings.write_text(settings.read_text() + f'\nkey_file = "{tmp_path / "elsewhere.key"}"\n')
    assert load(lyon).key_file == tmp_path / "elsewhere.key"
    assert run("member", "add", lyon, "Awa").status == 0


def test_keys_are_rotated_listed_and_their_history_verified(run: Run, lyon: Path, tmp_path: Path):
    unsaid = run("keys", "rotate", lyon)
    assert unsaid.status == 2
    assert "--all" in unsaid.err
    assert run("keys", "rotate", lyon, "--all", "--actor", "coop").status == 2
    done = run("keys", "rotate", lyon, "--actor", "coop", "--lang", "fr")
    assert done.status == 0, done.err
    assert "Les anciennes clés sont valables jusqu’au" in done.out
    assert run("keys", "rotate", lyon, "--actor", "nobody").status == 1
    done = run("keys", "compromised", lyon, "--actor", "instance", "--json")
    assert done.json["reason"] == "compromised"
    assert done.json["keys"][0]["actor"] == "https://coop-lyon.example/actor"
    listed = run("keys", "list", lyon)
    assert "in use" in listed.out
    assert "replaced" in listed.out
    assert "revoked" in listed.out
    histories = {}
    for actor in ("https://coop-lyon.example/actors/coop", "https://coop-lyon.example/actor"):
        histories[actor] = tmp_path / f"{actor.rsplit('/', 1)[-1]}.json"
        found = run("lookup", f"{actor}/keys", "--stored", lyon, "--json").json
        histories[actor].write_text(json.dumps(found))
    told = run("verify", histories["https://coop-lyon.example/actors/coop"], "--lang", "fr")
    assert told.status == 0, told.out
    assert "VÉRIFIÉ : 2 clés" in told.out
    instance = run("verify", histories["https://coop-lyon.example/actor"])
    assert "https://coop-lyon.example/actors/coop vouches for it" in instance.out
    pinned = run(
        "verify",
        histories["https://coop-lyon.example/actor"],
        "--key",
        "https://coop-lyon.example/actors/coop=z6MkOther",
    )
    assert pinned.status == 1
    assert "another key than you trust" in pinned.out
    assert run("doctor", lyon, "--json").json["checks"][3]["status"] == "ok"
