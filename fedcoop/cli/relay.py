"""`fedcoop relay`: running a relay, and using relays (FEP-ae0c)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedcoop.cli.answer import AsJson, Failed, answer
from fedcoop.cli.init import AllowOrigins, BaseUrl, Database, DefaultLanguage, NewFolder, check_empty
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from datetime import datetime

    from fedcoop.flow.relays import Used
    from fedcoop.flow.world import World
    from fedcoop.ports import Relay, Subscriber
    from fedcoop.protocol.relaying import Wish

HELP = say(
    "Relays: run one, or have what everybody may read come and go through those of others.",
    "Les relais : en exploiter un, ou faire passer par ceux des autres ce que tous peuvent lire.",
)
HELP_INIT = say(
    "Found a relay in DIR.\n\nA relay is no co-op: it has one actor, which passes on what the servers that you admit "
    "publish (`fedcoop peer allow`) to those that subscribe.",
    "Fonde un relais dans DIR.\n\nUn relais n’est pas une coopérative : il a un seul acteur, qui transmet ce que "
    "publient les serveurs que vous admettez (`fedcoop peer allow`) à ceux qui s’abonnent.",
)
HELP_SERVE = say(
    "Serve a relay until Ctrl-C, as `fedcoop serve`.", "Sert un relais jusqu’à Ctrl-C, comme `fedcoop serve`."
)
HELP_SUBSCRIBE = say(
    "Ask a relay to send what it carries, and let it carry what this co-op publishes to everybody.",
    "Demande à un relais d’envoyer ce qu’il transmet, et lui confie ce que cette coopérative publie pour tous.",
)
HELP_LEAVE = say(
    "End the subscription to a relay: nothing goes there, and what it brings counts no more.",
    "Met fin à l’abonnement à un relais : rien n’y va, et ce qu’il apporte ne compte plus.",
)
HELP_LIST = say(
    "List the relays that this co-op uses, and what they brought that was false.",
    "Liste les relais de cette coopérative, et ce qu’ils ont apporté de faux.",
)
HELP_SUBSCRIBERS = say("List who subscribed to this relay.", "Liste les abonnés de ce relais.")
HELP_ACCEPT = say(
    "Accept a server that subscribed to this relay.", "Accepte un serveur qui s’est abonné à ce relais."
)
HELP_REJECT = say(
    "Refuse a server that subscribed to this relay, or stop sending to it.",
    "Refuse un serveur qui s’est abonné à ce relais, ou cesse de lui envoyer.",
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
]
RelayUrl = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help=say(
            "Its actor or its inbox: https://relay.example/actor",
            "Son acteur ou sa boîte : https://relay.example/actor",
        ),
    ),
]
Server = Annotated[
    str,
    typer.Argument(
        metavar="SERVER",
        help=say(
            "Its origin or its actor: https://coop.example",
            "Son origine ou son acteur : https://coop.example",
        ),
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help=say(
            "Only these: Mission, ServiceOffer, Need (repeatable).",
            "Seulement : Mission, ServiceOffer, Need (répétable).",
        ),
    ),
]
Rome = Annotated[
    list[str] | None,
    typer.Option(
        "--rome",
        metavar="CODE",
        help=say(
            "Only this trade: a ROME code or its beginning, N or N41 (repeatable).",
            "Seulement ce métier : un code ROME ou son début, N ou N41 (répétable).",
        ),
    ),
]
Regions = Annotated[
    list[str] | None,
    typer.Option(
        "--region",
        metavar="INSEE",
        help=say(
            "Only this region: its INSEE code, such as 52 (repeatable).",
            "Seulement cette région : son code INSEE, comme 52 (répétable).",
        ),
    ),
]


# -- running one ----------------------------------------------------------------------------------------------------


def init(
    folder: NewFolder,
    base_url: BaseUrl,
    name: Annotated[str, typer.Option("--name", help=say("Name of the relay.", "Nom du relais."))],
    open_to_all: Annotated[
        bool,
        typer.Option(
            "--open",
            help=say(
                "Accept whoever subscribes at once; else you answer each (`relay accept`).",
                "Accepte aussitôt qui s’abonne ; sinon vous répondez à chacun (`relay accept`).",
            ),
        ),
    ] = False,
    language: DefaultLanguage = "fr",
    database: Database = "",
    allow_origin: AllowOrigins = None,
    as_json: AsJson = False,
) -> None:
    """Found a relay and print what others are given."""
    import asyncio

    from fedcoop import app

    check_empty(folder)
    new = app.NewInstance(
        base_url=base_url.rstrip("/"),
        name=name,
        language=language,
        database=database,
        allow_origins=tuple(allow_origin or ()),
    )
    actor = asyncio.run(app.create_relay(folder, new, subscriptions="open" if open_to_all else "asked"))
    inbox = f"{new.base_url}/inbox"
    answer(
        {"ok": True, "folder": str(folder), "base": new.base_url, "id": actor, "inbox": inbox},
        as_json=as_json,
        lines=(
            say(f"The relay {name} is founded in {folder}.", f"Le relais {name} est fondé dans {folder}."),
            f"  id      {actor}",
            f"  inbox   {inbox}",
            say(
                f"Next: fedcoop peer allow {folder} ORIGIN, for each server that may publish",
                f"Ensuite : fedcoop peer allow {folder} ORIGINE, pour chaque serveur qui peut publier",
            ),
            say(f"Then: fedcoop relay serve {folder}", f"Puis : fedcoop relay serve {folder}"),
        ),
    )


def subscribers(folder: Folder, as_json: AsJson = False) -> None:
    """Print who subscribed, in which style, what they want and since when."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import relaying

    async def story(world: World) -> tuple[Subscriber, ...]:
        relaying.relaying_of(world)
        return await relaying.subscribers(world)

    found = in_world(folder, story)
    answer(
        {"ok": True, "subscribers": [_subscriber(one) for one in found]},
        as_json=as_json,
        lines=[_line(s.state, s.actor, s.wish, s.since) for s in found]
        or [say("Nobody has subscribed yet.", "Personne ne s’est encore abonné.")],
    )


def accept(folder: Folder, server: Server, as_json: AsJson = False) -> None:
    """Accept a subscriber."""
    _decide(folder, server, "accepted", as_json=as_json)


def reject(folder: Folder, server: Server, as_json: AsJson = False) -> None:
    """Refuse a subscriber."""
    _decide(folder, server, "rejected", as_json=as_json)


def _decide(folder: Path, server: str, state: Any, *, as_json: bool) -> None:
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import relaying

    async def story(world: World) -> Subscriber:
        relaying.relaying_of(world)
        return await relaying.decide(server.rstrip("/"), state, world=world)

    decided = in_world(folder, story)
    done = {
        "accepted": say(
            f"{decided.actor} is sent what this relay carries.",
            f"{decided.actor} reçoit ce que ce relais transmet.",
        ),
        "rejected": say(f"{decided.actor} is refused, and told.", f"{decided.actor} est refusé, et averti."),
    }
    answer({"ok": True, "subscriber": _subscriber(decided)}, as_json=as_json, lines=[done[decided.state]])


# -- using them -----------------------------------------------------------------------------------------------------


def subscribe(
    folder: Folder,
    url: RelayUrl,
    classes: Classes = None,
    rome: Rome = None,
    regions: Regions = None,
    as_json: AsJson = False,
) -> None:
    """Ask a relay to send what it carries."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import relays
    from fedcoop.protocol.relaying import wish_of

    lists = {"classes": classes, "rome": rome, "regions": regions}
    wish = wish_of({name: entries for name, entries in lists.items() if entries})

    async def story(world: World) -> Relay:
        _check_coop(world, folder)
        return await relays.subscribe(url.rstrip("/"), wish, world=world)

    relay = in_world(folder, story)
    told = {
        "pending": say(
            f"Asked {relay.actor}: delivered while this instance is served; its operator may take days to answer.",
            f"Demandé à {relay.actor} : envoyé quand cette instance est servie ; la réponse peut prendre des jours.",
        ),
        "accepted": say(f"{relay.actor} has accepted us.", f"{relay.actor} nous a acceptés."),
        "rejected": say(f"{relay.actor} has refused us.", f"{relay.actor} nous a refusés."),
    }
    answer({"ok": True, "relay": _relay(relay)}, as_json=as_json, lines=[told[relay.state]])


def leave(folder: Folder, url: RelayUrl, as_json: AsJson = False) -> None:
    """End the subscription to a relay."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import relays

    left = in_world(folder, lambda world: relays.leave(url.rstrip("/"), world=world))
    answer(
        {"ok": True, "relay": left.actor},
        as_json=as_json,
        lines=[say(f"{left.actor} is no relay of ours any more.", f"{left.actor} n’est plus notre relais.")],
    )


def list_(folder: Folder, as_json: AsJson = False) -> None:
    """Print the relays of a co-op, and what they brought that was false."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow import relays

    async def story(world: World) -> tuple[Used, ...]:
        _check_coop(world, folder)
        return await relays.used(world)

    found = in_world(folder, story)
    answer(
        {
            "ok": True,
            "relays": [
                {**_relay(one.relay), "false": [{**_report(r)} for r in one.reports]} for one in found
            ],
        },
        as_json=as_json,
        lines=list(_told(found)) or [say("No relay is used.", "Aucun relais n’est utilisé.")],
    )


def _told(found: tuple[Used, ...]) -> Iterator[str]:
    for one in found:
        yield _line(one.relay.state, one.relay.actor, one.relay.wish, one.relay.since)
        for report in one.reports:
            yield "    " + say(
                f"{_time(report.at)}  false ({report.code}): {report.activity_id}",
                f"{_time(report.at)}  faux ({report.code}) : {report.activity_id}",
            )
    if any(one.reports for one in found):
        yield say(
            "Nothing of what was false was stored. Tell the relay’s operator; `fedcoop relay leave` ends it.",
            "Rien de faux n’a été enregistré. Avertissez l’exploitant du relais ; `fedcoop relay leave` y met fin.",
        )


def _check_coop(world: World, folder: Path) -> None:
    if world.instance.relaying is not None:
        raise Failed(
            "not-found",
            say(
                "This instance is a relay itself, and uses none.",
                "Cette instance est elle-même un relais et n’en utilise pas.",
            ),
            next_step=say(
                f"Who subscribed to it: fedcoop relay subscribers {folder}",
                f"Ses abonnés : fedcoop relay subscribers {folder}",
            ),
        )


# -- what is shown --------------------------------------------------------------------------------------------------


STATES = {
    "pending": say("asked", "demandé"),
    "accepted": say("accepted", "accepté"),
    "rejected": say("refused", "refusé"),
}


def _line(state: str, actor: str, wish: Wish, since: datetime) -> str:
    wanted = "; ".join(f"{name}: {', '.join(entries)}" for name, entries in wish.document().items())
    everything = say("everything", "tout")
    return f"{STATES[state]:<9} {actor}  {_time(since)}  {wanted or everything}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def _stamp(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _subscriber(one: Subscriber) -> dict[str, Any]:
    return {
        "actor": one.actor,
        "origin": one.origin,
        "inbox": one.inbox,
        "style": one.style,
        "state": one.state,
        "wants": one.wish.document(),
        "since": _stamp(one.since),
        "decided": _stamp(one.decided_at),
    }


def _relay(one: Relay) -> dict[str, Any]:
    return {
        "actor": one.actor,
        "inbox": one.inbox,
        "state": one.state,
        "wants": one.wish.document(),
        "since": _stamp(one.since),
        "answered": _stamp(one.answered_at),
    }


def _report(one: Any) -> dict[str, Any]:
    return {"activity": one.activity_id, "code": one.code, "at": _stamp(one.at)}
