"""A finished mission is proven from a file with every server off, and whatever is done to the file is named."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedcoop.cli.instances import LocalInstance, run
from fedcoop.cli.story import STEPS, Party, Plot, play
from fedcoop.protocol.proof import sign_document
from fedcoop.store.keyfolder import KeyFolder
from tests.e2e.conftest import Instances

pytestmark = pytest.mark.xdist_group("verify")

MISSION, ENGAGEMENT = "Mission", "Engagement"
TRANSITIONS: Final = {MISSION: 8, ENGAGEMENT: 12}
"""published, assigned, started, delivered, started, delivered, accepted, settled; and the twelve steps of the two."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A settled mission whose servers are off: its history as a file, and the folders with everybody's keys."""

    file: Path
    history: dict[str, Any]
    lyon: LocalInstance
    nantes: LocalInstance
    worker: str

    def key_of(self, actor: str) -> Ed25519PrivateKey:
        """Return the private key by which `actor` signs documents."""
        instance = self.lyon if actor.startswith(self.lyon.base) else self.nantes
        return KeyFolder(instance.folder / "keys").proof_key(actor)[1]


@pytest.fixture(scope="module")
def finished(module_instances: Instances, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    lyon, nantes = module_instances(2, following=True)
    awa = lyon.add_member("Awa D.", username="awa", status="cape", occupation="M1855", commune="69123")
    plot = Plot(
        requester=Party("Nantes", nantes.base, nantes.coop, nantes.token),
        worker=Party("Lyon", lyon.base, str(awa["id"]), str(awa["token"])),
        carrier=Party("Lyon", lyon.base, lyon.coop, lyon.token),
        now=datetime.now(UTC),
    )
    told = list(play(plot, patience=60.0))
    assert len(told) == len(STEPS)
    file = tmp_path_factory.mktemp("history") / "history.json"
    run("history", str(nantes.folder), plot.ids["mission"], "-o", str(file))
    for instance in (lyon, nantes):
        instance.stop()
        assert not instance.running
    return Finished(file, json.loads(file.read_text("utf-8")), lyon, nantes, str(awa["id"]))


def verify(file: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run `fedcoop verify` on a file; return its exit status and its document."""
    done = subprocess.run(
        [sys.executable, "-m", "fedcoop", "--lang", "en", "verify", str(file), *options, "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def activities(history: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the activities of the history's one chain of that kind, to be read or tampered with."""
    found: list[dict[str, Any]] = next(c for c in history["chains"] if c["kind"] == kind)["activities"]
    return found


def test_a_finished_mission_is_proven_with_every_server_off(finished: Finished) -> None:
    status, report = verify(finished.file)
    assert (status, report["ok"], report["complete"]) == (0, True, True), report
    chains = {chain["kind"]: chain for chain in report["chains"]}
    assert {kind: chain["version"] for kind, chain in chains.items()} == TRANSITIONS
    assert {chain["state"] for chain in chains.values()} == {"settled"}
    assert all(chain["headSigned"] for chain in chains.values())
    signers = {step["actor"] for chain in chains.values() for step in chain["proven"]}
    assert signers == {finished.worker, finished.lyon.coop, finished.nantes.coop}


Forge = Callable[[Finished, dict[str, Any]], None]


def changed(kind: str, version: int, *path: str | int) -> Forge:
    """Change one JSON value of one activity."""

    def forge(finished: Finished, history: dict[str, Any]) -> None:
        holder: Any = activities(history, kind)[version - 1]
        for step in path[:-1]:
            holder = holder[step]
        old = holder[path[-1]]
        holder[path[-1]] = (
            not old if isinstance(old, bool) else old + 1 if isinstance(old, int) else f"{old}0"
        )

    return forge


def removed(kind: str, version: int) -> Forge:
    """Take one activity out."""

    def forge(finished: Finished, history: dict[str, Any]) -> None:
        del activities(history, kind)[version - 1]

    return forge


def reordered(kind: str, version: int) -> Forge:
    """Swap an activity and the one after it."""

    def forge(finished: Finished, history: dict[str, Any]) -> None:
        said = activities(history, kind)
        said[version - 1], said[version] = said[version], said[version - 1]

    return forge


def replaced(kind: str, version: int, *, by: str) -> Forge:
    """Say something else in place of an activity and sign it: as a stranger, as another party, or as its own sender."""

    def forge(finished: Finished, history: dict[str, Any]) -> None:
        said = activities(history, kind)
        document = {**said[version - 1], "content": "<p>Tout autre chose.</p>"}
        proof, actor = document.pop("proof"), str(document["actor"])
        signer = {"sender": actor, "worker": finished.worker, "stranger": ""}[by]
        said[version - 1] = sign_document(
            document,
            key=finished.key_of(signer) if signer else Ed25519PrivateKey.generate(),
            verification_method=proof["verificationMethod"] if not signer else f"{signer}#ed25519-1",
            created=datetime.fromisoformat(proof["created"]),
        )

    return forge


def cut(kind: str, *, head: str) -> Forge:
    """Cut the tail off; leave the signed head as it is, or write one that a stranger has signed."""

    def forge(finished: Finished, history: dict[str, Any]) -> None:
        chain = next(c for c in history["chains"] if c["kind"] == kind)
        last = chain["activities"].pop()
        if head == "forged":
            proof = chain["head"].pop("proof")
            chain["head"] |= {"stateVersion": last["stateVersion"] - 1, "digest": last["previousDigest"]}
            chain["head"] = sign_document(
                chain["head"],
                key=Ed25519PrivateKey.generate(),
                verification_method=proof["verificationMethod"],
                created=datetime.fromisoformat(proof["created"]),
            )

    return forge


FORGERIES: Final[dict[str, tuple[Forge, str, int | None]]] = {
    "the price of the mission": (
        changed(MISSION, 1, "object", "price", "totalExclTax", "value"),
        MISSION,
        1,
    ),
    "when a step was said": (changed(MISSION, 4, "published"), MISSION, 4),
    "the amount agreed upon": (
        changed(ENGAGEMENT, 5, "result", "stipulatesReciprocal", "resourceQuantity", "hasNumericalValue"),
        ENGAGEMENT,
        5,
    ),
    "a letter of a proof": (changed(ENGAGEMENT, 9, "proof", "proofValue"), ENGAGEMENT, 9),
    "the first step of two, removed": (removed(MISSION, 1), MISSION, 1),
    "a step in the middle, removed": (removed(ENGAGEMENT, 7), ENGAGEMENT, 7),
    "two steps, reordered": (reordered(ENGAGEMENT, 2), ENGAGEMENT, 2),
    "a step, replaced by a stranger": (replaced(ENGAGEMENT, 3, by="stranger"), ENGAGEMENT, 3),
    "a step, replaced by another party": (replaced(ENGAGEMENT, 11, by="worker"), ENGAGEMENT, 11),
    # Its sender's own signature is good; the next step names another one before it.
    "a step, replaced by its sender": (replaced(MISSION, 3, by="sender"), MISSION, 4),
    "the tail, cut": (cut(ENGAGEMENT, head="signed"), ENGAGEMENT, 12),
    "the tail, cut, and the head forged": (cut(MISSION, head="forged"), MISSION, None),
}
"""What was done, and the transition that must be named: its chain and version (None: it is the head that is wrong)."""


@pytest.fixture(scope="module")
def verdicts(
    finished: Finished, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[int, dict[str, Any]]]:
    """Every forgery as a file, and what `fedcoop verify` says of it."""
    folder = tmp_path_factory.mktemp("forged")
    files = {}
    for number, (name, (forge, _, _)) in enumerate(FORGERIES.items()):
        history = copy.deepcopy(finished.history)
        forge(finished, history)
        assert history != finished.history
        files[name] = folder / f"{number}.json"
        files[name].write_text(json.dumps(history), "utf-8")
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(files, pool.map(verify, files.values()), strict=True))


@pytest.mark.parametrize("what", FORGERIES)
def test_a_forgery_is_refused_and_its_transition_named(
    finished: Finished, verdicts: dict[str, tuple[int, dict[str, Any]]], what: str
) -> None:
    _, kind, version = FORGERIES[what]
    status, report = verdicts[what]
    assert (status, report["ok"], report["complete"]) == (1, False, False), report["lines"]
    findings = {chain["kind"]: chain["findings"] for chain in report["chains"] if chain["findings"]}
    assert list(findings) == [kind], report["lines"]
    assert [finding["version"] for finding in findings[kind]] == [version]
    named = f"transition {version}" if version is not None else findings[kind][0]["code"]
    assert any(named in line for line in report["lines"]), report["lines"]


def test_a_tail_cut_together_with_its_head_proves_no_more_than_it_has(
    finished: Finished, tmp_path: Path
) -> None:
    history = copy.deepcopy(finished.history)
    chain = next(c for c in history["chains"] if c["kind"] == ENGAGEMENT)
    known = chain.pop("head")
    chain["activities"].pop()
    file = tmp_path / "cut.json"
    file.write_text(json.dumps(history), "utf-8")
    status, report = verify(file)
    assert (status, report["ok"], report["complete"]) == (0, True, False), report["lines"]
    assert any("true up to version 11" in line for line in report["lines"]), report["lines"]
    # Whoever knows the head from elsewhere sees that the tail is missing.
    status, report = verify(file, "--head", f"{known['digest']}@{known['stateVersion']}")
    assert (status, report["ok"]) == (1, False), report["lines"]
