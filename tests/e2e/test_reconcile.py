"""Two servers that have lost messages for good compare what they share, and both have all of it."""

from __future__ import annotations

import contextlib
import sqlite3

from fedcoop.cli.client import poll
from fedcoop.cli.instances import LocalInstance, run
from tests.cli.conftest import a_mission
from tests.e2e.conftest import Instances


def forget_what_is_owed(instance: LocalInstance) -> int:
    """Give up every delivery, as eight days without an answer would."""
    with contextlib.closing(sqlite3.connect(instance.folder / "fedcoop.db")) as database, database:
        given_up = "UPDATE delivery SET state = 'expired', ended_at = enqueued_at WHERE ended_at IS NULL"
        return database.execute(given_up).rowcount


def publish(instance: LocalInstance, name: str) -> str:
    reply = instance.post_outbox(instance.coop, instance.token, a_mission(name=name))
    assert reply.status == 201, reply.body
    mission: str = reply.json()["object"]["id"]
    return mission


def test_what_was_lost_is_found_on_either_side_and_then_nothing_is(instances: Instances) -> None:
    lyon, nantes = instances(2, following=True)
    nantes.stop()
    lost = [publish(lyon, f"Livraison {n}") for n in range(2)]
    lyon.stop()
    assert forget_what_is_owed(lyon) >= 2
    lyon.start()
    nantes.start()
    assert [nantes.lookup(one) for one in lost] == [None, None]
    # Nantes asks Lyon: it takes what it lacks by its sender's proof.
    first = run("reconcile", str(nantes.folder), lyon.base)
    assert {one["chain"] for one in first["differing"]} == set(lost)
    assert {(one["standing"], one["taken"]) for one in first["differing"]} == {("we-are-behind", 1)}
    assert all(nantes.lookup(one) is not None for one in lost)
    assert run("reconcile", str(nantes.folder), lyon.base)["differing"] == []
    # Lyon asks Nantes: what the other lacks is sent as any delivery is.
    nantes.stop()
    more = publish(lyon, "Livraison 3")
    lyon.stop()
    assert forget_what_is_owed(lyon) >= 1
    lyon.start()
    nantes.start()
    second = run("reconcile", str(lyon.folder), nantes.base)
    assert [(one["chain"], one["standing"], one["sent"]) for one in second["differing"]] == [
        (more, "they-are-behind", 1)
    ]
    assert poll(lambda: nantes.lookup(more), seconds=20)
    assert run("reconcile", str(lyon.folder), nantes.base)["differing"] == []
