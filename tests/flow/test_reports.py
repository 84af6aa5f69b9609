"""Reports between operators: nobody is named, the accused learns nothing, and nothing happens by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fedcoop.errors import FedcoopError, Invalid, Malformed, NotFound, NotImplementedYet
from fedcoop.flow import founding, reading, reports
from fedcoop.flow.reading import read_activity_document
from fedcoop.ports import Report
from fedcoop.protocol import limits
from tests.flow.federation import Coop, Federation, settle

WORDS = "Three invoices for one day."


@pytest.fixture
async def malo(federation: Federation) -> str:
    return await federation.nantes.member("malo")


async def seen(coop: Coop, *, closed: bool = False) -> tuple[Report, ...]:
    return await coop.world.store.read(lambda reader: reader.reports(closed=closed))


async def flag(federation: Federation, accused: str, *objects: str, **options: Any) -> Report:
    sent = await reports.report(federation.lyon.world, accused, objects, WORDS, **options)
    await settle(federation.office)
    return sent


async def test_a_report_reaches_the_other_operator_without_saying_who_reports(
    federation: Federation, malo: str
):
    lyon, nantes = federation.lyon, federation.nantes
    awa = await lyon.member("awa")
    sent = await flag(federation, malo, f"{nantes.base}/missions/1", reporter=awa)
    (here,), (there,) = await seen(lyon), await seen(nantes)
    assert (here.ours, here.reporter, here.id) == (True, awa, sent.id)
    assert (there.ours, there.reporter, there.actor) == (False, None, f"{lyon.base}/actor")
    assert (there.objects, there.content) == ((malo, f"{nantes.base}/missions/1"), WORDS)
    body = await nantes.world.store.read(lambda reader: reader.activity(sent.id))
    assert body is not None
    told = json.loads(body.body)
    assert awa not in body.body.decode()
    assert (told["type"], told["actor"], told["object"]) == (
        "Flag", f"{lyon.base}/actor", [malo, f"{nantes.base}/missions/1"],
    )  # fmt: skip
    assert (told.get("to"), told.get("cc")) == ([], [])
    assert [post for post in federation.office.posts if post[1] == "Flag"] == [
        (f"{nantes.base}/inbox", "Flag", 202)
    ]


async def test_who_agreed_is_named(federation: Federation, malo: str):
    awa = await federation.lyon.member("awa")
    sent = await flag(federation, malo, reporter=awa, named=True)
    body = await federation.nantes.world.store.read(lambda reader: reader.activity(sent.id))
    assert body is not None
    assert json.loads(body.body)["attributedTo"] == awa


async def test_the_accused_learns_nothing_of_it(federation: Federation, malo: str):
    lyon, nantes = federation.lyon, federation.nantes
    # As another server may send it: addressed to the accused, and posted to their own inbox.
    body = json.dumps(
        {
            "@context": "https://www.w3.org/ns/activitystreams", "id": f"{lyon.base}/activities/flag1",
            "type": "Flag", "actor": f"{lyon.base}/actor", "object": [malo], "content": WORDS, "to": [malo],
        }
    ).encode()  # fmt: skip
    await lyon.world.courier.post(inbox=f"{malo}/inbox", body=body, sender=f"{lyon.base}/actor")
    assert len(await seen(nantes)) == 1
    for reader in (malo, nantes.id, None):
        with pytest.raises(NotFound):
            await read_activity_document(f"{lyon.base}/activities/flag1", actor=reader, world=nantes.world)
        with pytest.raises(NotFound):
            await reading.lookup(f"{lyon.base}/activities/flag1", actor=reader, world=nantes.world)
        assert await reading.came(malo, actor=reader, world=nantes.world, operator=True) == []
    for box in (malo, nantes.id):
        page = await nantes.world.store.read(lambda r, of=box: r.inbox_page(of, cursor=None, limit=50))
        assert "Flag" not in {item["type"] for item in page.items}


async def test_ours_is_read_by_nobody_either(federation: Federation, malo: str):
    lyon = federation.lyon
    sent = await flag(federation, malo)
    page = await lyon.world.store.read(
        lambda r: r.outbox_page(f"{lyon.base}/actor", cursor=None, limit=50, readers=None)
    )
    assert page.total == 0
    with pytest.raises(NotFound):
        await read_activity_document(sent.id, actor=lyon.id, world=lyon.world)


async def test_a_report_changes_nothing_else(federation: Federation, malo: str):
    nantes = federation.nantes
    before = nantes.rows()
    await flag(federation, malo)
    after = nantes.rows()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"activity", "report", "actor", "key_document", "heard", "provenance"}, changed


async def test_a_report_comes_twice_and_is_kept_once(federation: Federation, malo: str):
    lyon, nantes = federation.lyon, federation.nantes
    sent = await flag(federation, malo)
    stored = await lyon.world.store.read(lambda reader: reader.activity(sent.id))
    assert stored is not None
    answer = await lyon.world.courier.post(
        inbox=f"{nantes.base}/inbox", body=stored.body, sender=f"{lyon.base}/actor"
    )
    assert (answer.status, len(await seen(nantes))) == (202, 1)


async def test_a_person_flags_nothing(federation: Federation, malo: str):
    with pytest.raises(NotImplementedYet):
        await federation.lyon.post(federation.lyon.id, {"type": "Flag", "object": [malo], "content": WORDS})


@pytest.mark.parametrize("state", ["frozen", "blocked"])
async def test_whom_we_do_not_work_with_is_neither_heard_nor_told(
    federation: Federation, malo: str, state: Any
):
    lyon, nantes = federation.lyon, federation.nantes
    await founding.decide_peer(nantes.world, lyon.base, state, note="")
    await flag(federation, malo)
    assert await seen(nantes) == ()
    awa = await lyon.member("awa")
    with pytest.raises(FedcoopError):
        await reports.report(nantes.world, awa, (), WORDS)
    assert await seen(nantes) == ()


async def test_a_report_is_about_another_servers_actor_and_what_is_theirs(federation: Federation, malo: str):
    lyon = federation.lyon
    for accused, objects in (
        (lyon.id, ()),
        (malo, (f"{lyon.base}/missions/1",)),
        (malo, ("https://alpes.example/missions/1",)),
        ("nobody", ()),
    ):
        with pytest.raises(Malformed):
            await reports.report(lyon.world, accused, objects, WORDS)
    for content in ("", "  ", "x" * (limits.MAX_REPORT_TEXT + 1)):
        with pytest.raises(Invalid):
            await reports.report(lyon.world, malo, (), content)
    with pytest.raises(Invalid):
        await reports.report(lyon.world, malo, [f"{malo}#{n}" for n in range(limits.MAX_FLAGGED)], WORDS)
    for nobody in (malo, f"{lyon.base}/actor"):
        with pytest.raises(NotFound):
            await reports.report(lyon.world, malo, (), WORDS, reporter=nobody)
    assert await seen(lyon, closed=True) == ()


async def test_a_server_that_reports_too_much_waits(
    federation: Federation, malo: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(limits, "MAX_OPEN_REPORTS", 2)
    nantes = federation.nantes
    for _ in range(3):
        await flag(federation, malo)
    first, *_ = kept = await seen(nantes)
    assert len(kept) == 2
    assert [post[2] for post in federation.office.posts if post[1] == "Flag"] == [202, 202, 429]
    await reports.close(nantes.world, first.id, "seen")
    assert len(await seen(nantes)) == 1


async def test_a_report_is_closed_with_what_was_made_of_it(federation: Federation, malo: str):
    nantes = federation.nantes
    sent = await flag(federation, malo)
    await reports.close(nantes.world, sent.id, "Talked to Malo.")
    assert await seen(nantes) == ()
    (closed,) = await seen(nantes, closed=True)
    assert (closed.closed_at, closed.outcome) == (nantes.clock(), "Talked to Malo.")
    for report_id in (sent.id, "https://elsewhere.example/1"):
        with pytest.raises(NotFound):
            await reports.close(nantes.world, report_id, "")
