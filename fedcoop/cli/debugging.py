"""Commands for whoever looks for a fault between two servers: `webfinger`, `nodeinfo`, `inbox` and `send`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from fedcoop.cli import client
from fedcoop.cli.answer import AsJson, Failed, WronglyUsed, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.cli.throwaway import Arrived
    from fedcoop.errors import FedcoopError

HELP_WEBFINGER = say(
    "Ask a server who somebody is.\n\nacct:name@host, name@host, or an address; the answer and the actor it leads to.",
    "Demande à un serveur qui est quelqu’un.\n\nacct:nom@hôte, nom@hôte ou une adresse ; la réponse et l’acteur.",
)
HELP_NODEINFO = say(
    "Ask a server what it is: its NodeInfo.", "Demande à un serveur ce qu’il est : son NodeInfo."
)
HELP_INBOX = say(
    "Run a throw-away inbox.\n\nAn actor that shows what arrives, decoded and verified, until Ctrl-C; nothing is kept.",
    "Ouvre une boîte jetable.\n\n"
    "Un acteur qui montre ce qui arrive, décodé et vérifié, jusqu’à Ctrl-C. Rien n’est gardé.",
)
HELP_SEND = say(
    "Send a signed message to an inbox, and explain the answer.\n\n"
    "From a throw-away actor, or from the co-op in --as DIR.",
    "Envoie un message signé à une boîte et explique la réponse.\n\n"
    "D’un acteur jetable, ou de la coopérative de --as DIR.",
)

Host = Annotated[
    str, typer.Option("--host", metavar="H", help=say("Address to listen on.", "Adresse d’écoute."))
]
Port = Annotated[
    int,
    typer.Option(
        "--port", metavar="P", help=say("Port; a free one when left out.", "Port ; un port libre par défaut.")
    ),
]
BaseUrl = Annotated[
    str,
    typer.Option(
        "--base-url",
        metavar="URL",
        help=say(
            "How others reach it, when not directly.",
            "Comment les autres l’atteignent, si ce n’est pas directement.",
        ),
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        "--allow",
        metavar="ORIGIN",
        help=say(
            "Exact origin that may be plain http or on this machine (repeatable).",
            "Origine exacte qui peut être en http ou sur cette machine (répétable).",
        ),
    ),
]


# -- asking -----------------------------------------------------------------------------------------------------


def webfinger(
    who: Annotated[
        str,
        typer.Argument(metavar="WHO", help=say("acct:name@host, or a URL.", "acct:nom@hôte, ou une URL.")),
    ],
    at: Annotated[
        str,
        typer.Option("--at", metavar="ORIGIN", help=say("Ask this server.", "Demande à ce serveur.")),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Ask for the JRD and say where it leads."""
    resource = who if ":" in who else f"acct:{who.removeprefix('@')}"
    origin = at.rstrip("/") or _home_of(resource)
    found = _asked(
        f"{origin}/.well-known/webfinger?resource={quote(resource, safe='')}", "application/jrd+json"
    )
    links = found.get("links", [])
    actor = next(
        (
            link.get("href")
            for link in (links if isinstance(links, list) else [])
            if isinstance(link, dict) and link.get("rel") == "self" and "json" in str(link.get("type"))
        ),
        None,
    )
    answer(
        {"ok": True, "resource": resource, "actor": actor, "jrd": found},
        as_json=as_json,
        lines=[
            f"{found.get('subject', '?')}",
            say(f"  actor: {actor or 'none is named'}", f"  acteur : {actor or 'aucun n’est nommé'}"),
            *[f"  {link.get('rel')}  {link.get('href') or link.get('template')}" for link in links],
        ],
    )


def nodeinfo(
    origin: Annotated[
        str,
        typer.Argument(
            metavar="ORIGIN",
            help=say("The server: https://coop.example", "Le serveur : https://coop.example"),
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Follow the well-known document to the newest NodeInfo and print it."""
    links = _asked(f"{origin.rstrip('/')}/.well-known/nodeinfo", "application/json").get("links")
    known = [
        (str(link["rel"]), str(link["href"]))
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and "/ns/schema/" in str(link.get("rel")) and "href" in link
    ]
    if not known:
        raise Failed("not-found", say(f"{origin} names no NodeInfo.", f"{origin} ne nomme aucun NodeInfo."))
    href = max(known)[1]
    if urlsplit(href).netloc != urlsplit(origin).netloc:
        raise Failed("foreign-origin", say(f"It leads elsewhere: {href}", f"Cela mène ailleurs : {href}"))
    found = _asked(href, "application/json")
    software = found.get("software") if isinstance(found.get("software"), dict) else {}
    answer(
        {"ok": True, "url": href, "nodeinfo": found},
        as_json=as_json,
        lines=[
            f"{software.get('name', '?')} {software.get('version', '')}",  # type: ignore[union-attr]
            json.dumps(found, ensure_ascii=False, indent=2),
        ],
    )


def _home_of(resource: str) -> str:
    if resource.startswith("acct:") and resource.count("@") == 1:
        return "https://" + resource.partition("@")[2]
    parts = urlsplit(resource)
    if parts.scheme in ("http", "https") and parts.netloc:
        return f"{parts.scheme}://{parts.netloc}"
    raise WronglyUsed(
        "usage",
        say(
            f"{resource} is neither acct:name@host nor a URL.",
            f"{resource} n’est ni acct:nom@hôte ni une URL.",
        ),
    )


def _asked(url: str, accept: str) -> dict[str, Any]:
    reply = client.get(url, accept=accept)
    if not reply.ok:
        raise client.refused(reply, url)
    try:
        found = reply.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Failed("malformed-json", say(f"{url} did not answer JSON.", f"{url} n’a pas répondu en JSON."))
    return found


# -- a throw-away inbox -----------------------------------------------------------------------------------------


def inbox(
    host: Host = "127.0.0.1",
    port: Port = 0,
    base_url: BaseUrl = "",
    allow: Allow = None,
    as_json: AsJson = False,
) -> None:
    """Show what arrives until told to stop."""
    from fedcoop.cli.instances import free_port
    from fedcoop.cli.throwaway import Throwaway, served

    port = port or free_port()
    peer = Throwaway((base_url or f"http://{host}:{port}").rstrip("/"))

    def show(arrived: Arrived) -> None:
        if as_json:
            print(json.dumps(document_of(arrived), ensure_ascii=False), flush=True)
        else:
            print("\n".join(lines_of(arrived)), flush=True)

    async def run() -> None:
        stop = asyncio.Event()
        for one in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(one, stop.set)
        origins = frozenset({peer.base, *(one.rstrip("/") for one in allow or ())})
        async with served(peer, host=host, port=port, allow_origins=origins, show=show):
            if as_json:
                print(json.dumps({"actor": peer.id, "inbox": peer.inbox}), flush=True)
            else:
                print(say(f"Actor {peer.id}", f"Acteur {peer.id}"))
                print(
                    say(f"Inbox {peer.inbox}   Ctrl-C ends it", f"Boîte {peer.inbox}   Ctrl-C l’arrête"),
                    flush=True,
                )
            await stop.wait()

    asyncio.run(run())


def document_of(arrived: Arrived) -> dict[str, Any]:
    """Return what arrived as one JSON object."""
    refusal = arrived.refusal
    return {
        "at": arrived.at.isoformat(),
        "path": arrived.target,
        "verified": refusal is None,
        "dialect": arrived.dialect,
        "keyId": arrived.key_id,
        "proof": arrived.proved,
        "problem": None if refusal is None else _problem_of(refusal),
        "document": arrived.document,
    }


def _problem_of(refusal: FedcoopError) -> dict[str, Any]:
    said = {
        "code": refusal.code,
        "detail": refusal.detail,
        "expected": refusal.expected,
        "received": refusal.received,
    }
    return {k: v for k, v in said.items() if v is not None}


def lines_of(arrived: Arrived) -> Iterator[str]:
    """Yield what arrived as a person reads it: what it is, whether it is true, why not, and the document."""
    whole = arrived.document if isinstance(arrived.document, dict) else {}
    about = whole.get("object")
    named = about.get("type") if isinstance(about, dict) else about
    yield f"\n{arrived.at:%H:%M:%S}  POST {arrived.target}  {whole.get('type', '?')}({named or ''})"
    yield say(f"  from {whole.get('actor', '?')}", f"  de {whole.get('actor', '?')}")
    if arrived.refusal is None:
        proof = (
            say("with a good proof", "avec une preuve valable")
            if arrived.proved
            else say("no proof", "sans preuve")
        )
        yield say(
            f"  signature good: {arrived.dialect}, {arrived.key_id}; {proof}",
            f"  signature valable : {arrived.dialect}, {arrived.key_id} ; {proof}",
        )
    else:
        yield from explained(arrived.refusal.code, arrived.refusal.detail)
        if arrived.refusal.expected is not None:
            yield say(f"  expected: {arrived.refusal.expected}", f"  attendu : {arrived.refusal.expected}")
        if arrived.refusal.received is not None:
            yield say(f"  received: {arrived.refusal.received}", f"  reçu : {arrived.refusal.received}")
    shown = arrived.document if whole == {} else json.dumps(whole, ensure_ascii=False, indent=2)
    yield from (f"    {line}" for line in str(shown).splitlines())


def explained(code: str, detail: str) -> Iterator[str]:
    """Yield what a problem is and what to do about it, in the language of the run."""
    from fedcoop.protocol.model import PROBLEMS

    known = PROBLEMS.get(code)
    title = say(known.title_en, known.title_fr) if known is not None else ""
    yield say(f"  refused: {code} {title}", f"  refusé : {code} {title}").rstrip()
    if detail:
        yield f"  {detail}"
    if known is not None:
        yield f"  → {say(known.help_en, known.help_fr)}"


# -- sending ----------------------------------------------------------------------------------------------------


def send(
    to: Annotated[
        str, typer.Argument(metavar="INBOX", help=say("Address of the inbox.", "Adresse de la boîte."))
    ],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help=say(
                "The activity as JSON; - reads it from the input.",
                "L’activité en JSON ; - la lit sur l’entrée.",
            ),
        ),
    ],
    as_: Annotated[
        Path | None,
        typer.Option(
            "--as",
            metavar="DIR",
            help=say("Say it as the co-op of this instance.", "Au nom de la coopérative de cette instance."),
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 0,
    base_url: BaseUrl = "",
    as_json: AsJson = False,
) -> None:
    """Send one message and say what came of it."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        activity = json.loads(text)
    except (OSError, ValueError) as error:
        raise Failed(
            "malformed-json", say(f"{file} cannot be read: {error}", f"{file} est illisible : {error}")
        ) from error
    if not isinstance(activity, dict):
        raise Failed(
            "malformed-activity", say("An activity is a JSON object.", "Une activité est un objet JSON.")
        )
    sent, status, said = (
        _as_coop(as_, to, activity) if as_ is not None else _as_nobody(to, activity, host, port, base_url)
    )
    code = str(said.get("type", "")).rstrip("/").rpartition("/")[2]
    taken = 200 <= status < 300
    answer(
        {"ok": taken, "status": status, "problem": said or None, "sent": sent},
        as_json=as_json,
        lines=[
            say(f"{to} answered {status}.", f"{to} a répondu {status}."),
            *([] if taken else explained(code, str(said.get("detail", "")))),
        ],
    )
    if not taken:
        raise typer.Exit(1)


Outcome = tuple[Mapping[str, Any], int, dict[str, Any]]


def _as_nobody(to: str, activity: Mapping[str, Any], host: str, port: int, base_url: str) -> Outcome:
    """Send as a throw-away actor, which is served as long as it takes, so that its key can be fetched."""
    from datetime import UTC, datetime

    from fedcoop.cli.instances import free_port
    from fedcoop.cli.throwaway import Throwaway, served
    from fedcoop.protocol import strict_json

    port = port or free_port()
    peer = Throwaway((base_url or f"http://{host}:{port}").rstrip("/"))
    now = datetime.now(UTC)
    whole = peer.proven(activity, now=now)
    body, parts = strict_json.dumps(whole), urlsplit(to)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = peer.headers(host=parts.netloc, target=target, body=body, now=now)

    async def run() -> client.Reply:
        async with served(
            peer, host=host, port=port, allow_origins=frozenset({peer.base}), show=lambda arrived: None
        ):
            return await asyncio.to_thread(client.request, "POST", to, body=body, headers=headers)

    reply = asyncio.run(run())
    return whole, reply.status, reply.problem() if not reply.ok else {}


def _as_coop(folder: Path, to: str, activity: Mapping[str, Any]) -> Outcome:
    """Send in the name of a co-op, past its outbox: nothing of it is kept there. Its server must be running."""
    from fedcoop.cli.worlds import in_world
    from fedcoop.flow.world import World
    from fedcoop.protocol import strict_json
    from fedcoop.protocol.build import contexts
    from fedcoop.protocol.proof import sign_document

    async def tell(world: World) -> Outcome:
        now, coop = world.clock(), world.instance.coop
        whole = {
            "@context": contexts(world.instance.base),
            "id": f"{world.instance.base}/activities/{world.new_id()}",
            "published": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            **activity,
            "actor": coop,
        }
        method, key = world.keyring.proof_key(coop)
        signed = sign_document(whole, key=key, verification_method=method, created=now)
        said = await world.courier.post(inbox=to, body=strict_json.dumps(signed), sender=coop)
        return signed, said.status, {"type": said.problem or "", "detail": said.detail or ""}

    return in_world(folder, tell)
