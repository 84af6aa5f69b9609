"""Reports: what our people find wrong on other servers, and what others find wrong here. Operators decide.

report      tell the operator of an actor's server of it, by our instance actor, so that nobody is named
check_room  a server that reports too much is told to wait
close       what our operator made of one
"""

from __future__ import annotations

from collections.abc import Sequence

from fedcoop.errors import Invalid, Malformed, NotFound, RateLimited
from fedcoop.flow.saying import Said, having_met, say
from fedcoop.flow.world import World
from fedcoop.ports import Report, Transaction
from fedcoop.protocol import limits
from fedcoop.protocol.ids import check_id, origin, same_origin
from fedcoop.protocol.messages import Activity, Intent
from fedcoop.protocol.reports import FLAG, flagged, words_of


async def report(
    world: World,
    accused: str,
    objects: Sequence[str],
    content: str,
    *,
    reporter: str | None = None,
    named: bool = False,
) -> Report:
    """Report `accused`, and objects of theirs, to the operator of their server; return what is kept of it here.

    `reporter` is kept here and told there only when `named`: then they have agreed.

    Raises:
        Malformed, Invalid: an id is none, is of another server or of ours, or there are no words; nothing was sent.
        NotFound: we host no such reporter. Forbidden: their server is none that a message reaches now.
        Unverified, Unavailable: the actor cannot be fetched.
    """
    instance, now = world.instance, world.clock()
    for iri in (accused, *objects):
        check_id(iri, allow_origins=instance.allow_origins)
        # (1) Their server learns of what is theirs: what it is not the server of is no matter of its operator.
        if instance.hosts(iri) or not same_origin(iri, accused):
            raise Malformed(
                "bad-id",
                "A report names an actor of another server, and objects of the same server.",
                received=iri,
            )
    words = content.strip()
    if not 0 < len(words) <= limits.MAX_REPORT_TEXT or len(objects) >= limits.MAX_FLAGGED:
        raise Invalid(
            "schema-invalid",
            "A report says what is wrong.",
            expected=f"1 to {limits.MAX_REPORT_TEXT} characters about at most {limits.MAX_FLAGGED} ids",
        )
    body = {"object": [accused, *dict.fromkeys(objects)], "content": words}
    # (2) Who reports is told only when they agreed.
    if named and reporter is not None:
        body["attributedTo"] = reporter
    intent = Intent(instance.application, FLAG, body)

    def _of(activity: Activity) -> Report:
        return Report(
            activity.id, True, activity.actor, flagged(activity), words_of(activity), now, reporter, None, ""
        )

    async def work(tx: Transaction) -> Said:
        known = None if reporter is None else await tx.actor(reporter)
        if reporter is not None and (known is None or not known.local or reporter == instance.application):
            raise NotFound("not-found", "We host no such member.", received=reporter)
        said = await say(tx, intent, world=world, now=now, keys={})
        await tx.put_report(_of(said.activity))
        return said

    said = await having_met(world, work)
    world.doorbell.ring()
    return _of(said.activity)


async def check_room(tx: Transaction, activity: Activity) -> None:
    """Pass when there is room for a report of that server; else raise RateLimited, and keep nothing."""
    # (1) A peer that reports everything hides what matters, and fills the table.
    if activity.type == FLAG and await tx.open_reports(origin(activity.actor)) >= limits.MAX_OPEN_REPORTS:
        raise RateLimited(
            "rate-limited", "Many of your reports wait for our operator.", retry_after=24 * 3600
        )


async def close(world: World, report_id: str, outcome: str) -> None:
    """Close an open report with what our operator made of it, in words. Raises NotFound."""
    now = world.clock()
    if not await world.store.write(lambda tx: tx.close_report(report_id, at=now, outcome=outcome)):
        raise NotFound("not-found", "There is no open report of that id.", received=report_id)
