"""`fedcoop relay`: running a relay, and using relays."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fedcoop.cli.instances import LocalInstance
from fedcoop.cli.worlds import in_world
from fedcoop.config import load
from fedcoop.flow.world import World
from fedcoop.ports import Relay, RelayReport, Subscriber
from fedcoop.protocol.relaying import Wish
from tests.cli.conftest import Run

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NANTES = "https://nantes.example"
THEIRS = Relay(
    "https://relay.example/actor", "https://relay.example", "https://relay.example/inbox",
    "https://lyon.example/activities/1", "accepted", Wish(("Mission",), ("N41",), ("52",)), NOON, NOON,
)  # fmt: skip


@pytest.fixture(scope="module")
def relay(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("relay") / "relay"
    done = run("relay", "init", folder, "--base-url", "https://relay.example", "--name", "Relais", "--json")
    assert done.status == 0, done.err
    assert (done.json["id"], done.json["inbox"]) == (
        "https://relay.example/actor",
        "https://relay.example/inbox",
    )
    return folder


def test_a_relay_is_founded_as_one_and_not_twice(run: Run, relay: Path):
    config = load(relay)
    assert (config.relay, config.relay_carries) == ("asked", Wish(("Mission", "ServiceOffer", "Need")))
    again = run("relay", "init", relay, "--base-url", "https://relay.example", "--name", "Relais")
    assert again.status == 1
    assert "already holds an instance" in again.err
    assert run("doctor", relay).status == 0


def test_a_relay_has_no_members_and_uses_no_relay(run: Run, relay: Path):
    refused = run("member", "add", relay, "Awa")
    assert refused.status == 1
    assert "no members" in refused.err
    for verb in (["list"], ["subscribe"]):
        arguments = [*verb, relay, *(["https://r2.example/actor"] if verb == ["subscribe"] else [])]
        done = run("relay", *arguments)
        assert done.status == 1
        assert "is a relay itself" in done.err


def test_whoever_asks_is_shown_and_answered(run: Run, relay: Path):
    assert "Nobody has subscribed yet" in run("relay", "subscribers", relay).out

    async def ask(world: World) -> None:
        one = Subscriber(
            f"{NANTES}/actor", NANTES, f"{NANTES}/inbox", f"{NANTES}/activities/1", "mastodon", "pending",
            Wish(rome=("N",)), NOON, NOON,
        )  # fmt: skip
        await world.store.write(lambda tx: tx.put_subscriber(one))

    in_world(relay, ask)
    assert (
        f"asked     {NANTES}/actor  2026-11-22 12:00 UTC  rome: N" in run("relay", "subscribers", relay).out
    )
    assert "demandé" in run("--lang", "fr", "relay", "subscribers", relay).out
    accepted = run("relay", "accept", relay, f"{NANTES}/", "--json").json["subscriber"]
    assert (accepted["state"], accepted["wants"]) == ("accepted", {"rome": ["N"]})
    rejected = run("relay", "reject", relay, f"{NANTES}/actor")
    assert "is refused, and told" in rejected.out
    listed = run("relay", "subscribers", relay, "--json").json["subscribers"]
    assert [(one["actor"], one["state"]) for one in listed] == [(f"{NANTES}/actor", "rejected")]
    nobody = run("relay", "accept", relay, "https://nobody.example", "--json")
    assert (nobody.status, nobody.json["error"]["code"]) == (1, "not-found")


def test_relays_are_listed_with_what_they_brought_that_was_false(run: Run, instance: LocalInstance):
    assert "No relay is used" in run("relay", "list", instance.folder).out

    async def use(world: World) -> None:
        report = RelayReport(THEIRS.actor, "https://nantes.example/activities/7", "proof-invalid", NOON)
        await world.store.write(lambda tx: tx.put_relay(THEIRS))
        await world.store.write(lambda tx: tx.put_relay_report(report, keep=9))

    in_world(instance.folder, use)
    shown = run("relay", "list", instance.folder).out
    assert "accepted  https://relay.example/actor" in shown
    assert "classes: Mission; rome: N41; regions: 52" in shown
    assert "false (proof-invalid): https://nantes.example/activities/7" in shown
    assert "Rien de faux n’a été enregistré" in run("--lang", "fr", "relay", "list", instance.folder).out
    (listed,) = run("relay", "list", instance.folder, "--json").json["relays"]
    assert [one["code"] for one in listed["false"]] == ["proof-invalid"]
    left = run("relay", "leave", instance.folder, "https://relay.example")
    assert "is no relay of ours any more" in left.out
    assert run("relay", "leave", instance.folder, "https://relay.example").status == 1


def test_a_filter_that_is_none_and_a_relay_that_is_not_there_are_refused(run: Run, instance: LocalInstance):
    url = f"{instance.base}0/actor"
    for arguments, code in (
        ([url, "--region", "Bretagne"], "malformed-activity"),
        (["https://127.0.0.1/actor"], "bad-id"),
        ([instance.base], "wrong-party"),
    ):
        done = run("relay", "subscribe", instance.folder, *arguments, "--json")
        assert (done.status, done.json["error"]["code"]) == (1, code)
    assert asyncio.run(_relays(instance)) == 0


async def _relays(instance: LocalInstance) -> int:
    from fedcoop import app

    async with app.open_world(load(instance.folder)) as world:
        return len(await world.store.read(lambda reader: reader.relays()))
