"""Reports in the database."""

from __future__ import annotations

from dataclasses import replace

from fedcoop.ports import Report
from fedcoop.protocol.messages import PutReport
from fedcoop.store.sql import SqlStore
from tests.conftest import NOON
from tests.store.making import AWA, LYON

SERVER = "https://nantes.example/actor"
RECEIVED = PutReport("https://nantes.example/f/1", SERVER, (AWA, f"{AWA}/x"), "Why\n\u202e", NOON)
SENT = Report("https://lyon.example/f/1", True, f"{LYON}/actor", (SERVER,), "Why", NOON, AWA, None, "")


async def test_reports_come_back_as_they_were_put_the_newest_first(store: SqlStore):
    await store.write(lambda tx: tx.make([RECEIVED]))
    await store.write(lambda tx: tx.put_report(SENT))
    sent, received = await store.read(lambda r: r.reports(closed=False))
    assert sent == SENT
    assert received == Report(
        RECEIVED.id, False, SERVER, RECEIVED.objects, RECEIVED.content, NOON, None, None, ""
    )
    assert await store.read(lambda r: r.report(RECEIVED.id)) == received
    assert await store.read(lambda r: r.report("https://nowhere.example/")) is None


async def test_open_ones_are_counted_by_their_server(store: SqlStore):
    other = replace(
        RECEIVED, id="https://nantes.example.elsewhere.example/f", actor=f"{SERVER}.elsewhere.example/actor"
    )
    await store.write(
        lambda tx: tx.make([RECEIVED, other, replace(RECEIVED, id="https://nantes.example/f/2")])
    )
    await store.write(lambda tx: tx.put_report(replace(SENT, actor=SERVER)))
    count = lambda: store.write(lambda tx: tx.open_reports("https://nantes.example"))  # noqa: E731
    assert await count() == 3
    assert await store.write(lambda tx: tx.open_reports("https://nantes")) == 0
    assert await store.write(lambda tx: tx.close_report(RECEIVED.id, at=NOON, outcome="Done"))
    assert await count() == 2


async def test_a_report_is_closed_once_and_alone(store: SqlStore):
    await store.write(lambda tx: tx.make([RECEIVED, replace(RECEIVED, id="https://nantes.example/f/2")]))
    assert await store.write(lambda tx: tx.close_report(RECEIVED.id, at=NOON, outcome="Done"))
    assert not await store.write(lambda tx: tx.close_report(RECEIVED.id, at=NOON, outcome="Again"))
    (left,) = await store.read(lambda r: r.reports(closed=False))
    assert left.id == "https://nantes.example/f/2"
    closed = await store.read(lambda r: r.report(RECEIVED.id))
    assert closed is not None
    assert (closed.closed_at, closed.outcome) == (NOON, "Done")
