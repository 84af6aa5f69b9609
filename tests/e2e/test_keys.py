"""Keys between two real servers: rotated while the peer holds the old ones, and given up when somebody has them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, run
from fedcoop.protocol.proof import sign_document
from fedcoop.store.keyfolder import KeyFolder
from tests.cli.conftest import a_mission
from tests.e2e.conftest import Instances
from tests.e2e.forging import Pen, code_of, stamp


def publish(at: LocalInstance, name: str) -> str:
    """Publish a mission and return its id."""
    reply = at.post_outbox(at.coop, at.token, {**a_mission(), "name": name})
    assert reply.status == 201, reply.problem()
    return str(reply.json()["object"]["id"])


def arrives(iri: str, at: LocalInstance) -> bool:
    return bool(poll(lambda: at.lookup(iri), seconds=30.0))


def keys_of(at: LocalInstance, actor: str) -> dict[str, Any]:
    """Return the actor as `at` serves or knows it."""
    found = at.lookup(actor)
    assert found is not None
    return found


def verified(source: str | Path, *options: str) -> dict[str, Any]:
    return run("verify", str(source), *options)


@pytest.fixture
def two(instances: Instances) -> tuple[LocalInstance, LocalInstance]:
    lyon, nantes = instances(2, following=True)
    return lyon, nantes


def test_rotated_keys_take_over_and_a_stolen_one_is_worth_nothing(
    two: tuple[LocalInstance, LocalInstance], tmp_path: Path
) -> None:
    lyon, nantes = two
    first = publish(lyon, "Avant")
    assert arrives(first, nantes)

    # Rotated beside the running server, while Lyon holds the old keys.
    assert arrives(publish(nantes, "Aller"), lyon)
    done = nantes.command("keys", "rotate", "--all")
    assert [key["number"] for key in done["keys"]] == [2, 2]
    second = publish(nantes, "Pendant")
    assert arrives(second, lyon)
    assert arrives(publish(lyon, "Retour"), nantes)
    listed = keys_of(lyon, nantes.coop)["assertionMethod"]
    assert [("expires" in key) for key in listed] == [False, True]
    # And after a restart.
    nantes.restart()
    assert arrives(publish(nantes, "Après"), lyon)
    states = [k["state"] for k in nantes.command("keys", "list")["keys"] if k["actor"] == nantes.coop]
    assert states == ["active", "overlap"]

    # Somebody copies the folder with all its secrets; the operator notices.
    copied = tmp_path / "copied"
    shutil.copytree(lyon.folder, copied, ignore=shutil.ignore_patterns("doorbell", "*.lock"))
    thief = Pen(replace(lyon, folder=copied, process=None))
    assert thief._keys.generation(lyon.coop) == 1
    done = lyon.command("keys", "compromised", "--actor", "coop")
    assert done["keys"][0]["number"] == 2
    assert bool(
        poll(
            lambda: "revoked" in json.dumps(keys_of(nantes, lyon.coop)["assertionMethod"]) or None,
            seconds=30.0,
        )
    )
    said = datetime.now(UTC)
    forged = thief.activity(
        lyon.coop,
        {
            "type": "Create",
            "object": {"id": f"{lyon.base}/objects/forged", "type": "Note", "attributedTo": lyon.coop},
        },
        to=[nantes.coop],
        said=said,
        without=("stateVersion",),
    )
    reply = thief.post(forged, to=nantes)
    assert (reply.status, code_of(reply)) in {(401, "key-owner-mismatch"), (401, "key-unknown")}
    # A date in the past does not help, nor does a request that is signed with a good key.
    owner = Pen(lyon)
    method, key = thief._keys.proof_key(lyon.coop)
    assert method.endswith("#ed25519-1")
    honest = owner.activity(
        lyon.coop,
        {
            "type": "Create",
            "object": {"id": f"{lyon.base}/objects/f2", "type": "Note", "attributedTo": lyon.coop},
        },
        to=[nantes.coop],
        without=("stateVersion",),
    )
    bare = {name: value for name, value in honest.items() if name != "proof"}
    early = sign_document(bare, key=key, verification_method=method, created=datetime(2026, 1, 1, tzinfo=UTC))
    reply = owner.post(early, to=nantes)
    assert (reply.status, code_of(reply)) == (401, "proof-key")
    assert nantes.lookup(f"{lyon.base}/objects/forged") is None
    assert nantes.lookup(f"{lyon.base}/objects/f2") is None

    # The owner goes on, and what was recorded before keeps its standing: at both, and in a file.
    assert arrives(publish(lyon, "Ensuite"), nantes)
    for at in (lyon, nantes):
        for number, mission in enumerate((first, second)):
            file = tmp_path / f"{at.port}-{number}.json"
            at.command("history", mission, "-o", str(file))
            report = verified(file)
            assert report["ok"], report
            assert report["chains"][0]["proven"]

    # Each key, from when to when, who says so; and who vouched had that key then.
    report = verified(f"{lyon.coop}/keys")
    assert [(k["number"], k["reason"], k["how"]) for k in report["keys"]] == [
        (1, "founded", "revoked"),
        (2, "compromised", None),
    ]
    assert report["keys"][1]["signed_by"] == f"{lyon.base}/actor"
    assert stamp(said) >= report["keys"][0]["until"]
    report = verified(f"{nantes.coop}/keys")
    assert [(k["number"], k["reason"], k["how"]) for k in report["keys"]] == [
        (1, "founded", "expires"),
        (2, "rotated", None),
    ]
    listed = lyon.command("keys", "list")["keys"]
    states = {k["id"]: (k["state"], k["privateKeyHere"]) for k in listed if k["actor"] == lyon.coop}
    assert states == {
        f"{lyon.coop}#ed25519-2": ("active", True),
        f"{lyon.coop}#ed25519-1": ("revoked", False),
    }


def refused_to_serve(instance: LocalInstance) -> str:
    """Try to serve it and return what is said; it must not answer."""
    done = subprocess.run(
        [sys.executable, "-m", "fedcoop", "serve", str(instance.folder), "--port", str(instance.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stderr


def test_foreign_missing_and_exposed_keys_are_not_served(instances: Instances) -> None:
    lyon, nantes = instances(2, federated=False)
    for one in (lyon, nantes):
        one.stop()
    keys = lyon.folder / "keys"
    kept = (keys / "coop.pem").read_bytes()

    (keys / "coop.pem").unlink()
    said = refused_to_serve(lyon)
    assert f"{lyon.coop} has no keys" in said
    assert "keys compromised DIR --actor NAME" in said

    # Another pair of keys under our actor's name.
    ring = KeyFolder(keys)
    ring.create(lyon.coop, "coop")
    said = refused_to_serve(lyon)
    assert f"not those that {lyon.coop} publishes" in said
    doctor = subprocess.run(
        [sys.executable, "-m", "fedcoop", "doctor", str(lyon.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"not those that {lyon.coop} publishes" in doctor.stdout

    (keys / "coop.pem").write_bytes(kept)
    (keys / "coop.pem").chmod(0o604)
    assert f"chmod 600 {keys / 'coop.pem'}" in refused_to_serve(lyon)
    (keys / "coop.pem").chmod(0o600)

    # Another instance's database under our address.
    (nantes.folder / "fedcoop.db").rename(nantes.folder / "mine.db")
    shutil.copy(lyon.folder / "fedcoop.db", nantes.folder / "fedcoop.db")
    said = refused_to_serve(nantes)
    assert f"this database belongs to {lyon.base}" in said

    # Lost for good: the instance vouches for new ones, and it serves again.
    (keys / "coop.pem").unlink()
    lyon.command("keys", "compromised", "--actor", "coop")
    lyon.start()
    assert publish(lyon, "Retrouvée")
