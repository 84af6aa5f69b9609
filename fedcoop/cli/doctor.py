"""`fedcoop doctor`: is this instance well, and if not, what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit

import typer

from fedcoop.cli.answer import AsJson, answer
from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.cli.client import Reply
    from fedcoop.config import Config
    from fedcoop.flow.world import World

HELP = say(
    "Check an instance: every line is ok, or a problem and what to do.\n\nSettings, base URL, database, keys, clock, "
    "port, and whether it is reached under its own address. Exit status 1 when there is a problem.",
    "Contrôle une instance : chaque ligne est ok, ou un problème et quoi faire.\n\nRéglages, adresse, base de données, "
    "clés, horloge, port, et si elle se joint à sa propre adresse. Code de sortie 1 s’il y a un problème.",
)
LATE: Final = timedelta(seconds=30)
"""A clock that is further off will have its signatures refused sooner or later."""


CHECKS_FR: Final = {
    "settings": "réglages",
    "base-url": "adresse",
    "database": "base",
    "keys": "clés",
    "encryption": "chiffrement",
    "deliveries": "remises",
    "rights": "droits",
    "identity": "identité",
    "clock": "horloge",
    "reachable": "joignable",
}
"""Names of the checks for people who read French; with `--json` they are what they are."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination."""

    check: str
    status: Literal["ok", "problem", "not checked"]
    detail: str
    next_step: str = ""


def doctor(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help=say("Folder of the instance.", "Dossier de l’instance."))
    ],
    as_json: AsJson = False,
) -> int:
    """Examine; exit status 1 when anything is wrong."""
    findings = list(examine(folder))
    problems = [f for f in findings if f.status == "problem"]
    words = {
        "ok": "ok",
        "problem": say("PROBLEM", "PROBLÈME"),
        "not checked": say("not checked", "non contrôlé"),
    }
    lines = []
    for finding in findings:
        check = say(finding.check, CHECKS_FR.get(finding.check, finding.check))
        lines.append(f"{words[finding.status]:<12} {check:<12} {finding.detail}")
        if finding.next_step:
            lines.append(f"{'':12} {'':12} → {finding.next_step}")
    lines.append(
        say(f"Problems: {len(problems)}.", f"Problèmes : {len(problems)}.")
        if problems
        else say("All is well.", "Tout va bien.")
    )
    document = {
        "ok": not problems,
        "checks": [
            {
                "check": f.check,
                "status": f.status,
                "detail": f.detail,
                **({"next": f.next_step} if f.next_step else {}),
            }
            for f in findings
        ],
    }
    answer(document, as_json=as_json, lines=lines)
    return 1 if problems else 0


def examine(folder: Path) -> Iterator[Finding]:
    """Yield a finding for each check; without readable settings there is only the first."""
    from fedcoop import app
    from fedcoop.config import load
    from fedcoop.errors import Misconfigured

    try:
        config = load(folder)
    except Misconfigured as error:
        yield Finding(
            "settings", "problem", error.detail, say("Correct fedcoop.toml.", "Corrigez fedcoop.toml.")
        )
        return
    yield Finding("settings", "ok", str(folder / "fedcoop.toml"))
    yield _base_url(config)
    database = _database(config)
    yield database
    if database.status == "ok":
        yield from _inside(config)
    served_at = app.served_at(config.folder)
    yield _port(config, served_at)
    yield from _outside(config, served=served_at is not None)


# -- inside ---------------------------------------------------------------------------------------------------------


def _base_url(config: Config) -> Finding:
    parts = urlsplit(config.base_url)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        return Finding(
            "base-url",
            "problem",
            say(f"{config.base_url} is more than an origin.", f"{config.base_url} est plus qu’une origine."),
            say("Write it as https://coop.example", "Écrivez-la https://coop.example"),
        )
    if parts.scheme == "https":
        if config.allow_origins:
            return Finding(
                "base-url",
                "problem",
                say(
                    "A public address, and allow_origins opens private ones.",
                    "Une adresse publique, et allow_origins en ouvre de privées.",
                ),
                say("Take allow_origins out of fedcoop.toml.", "Retirez allow_origins de fedcoop.toml."),
            )
        return Finding("base-url", "ok", config.base_url)
    if config.base_url not in config.allow_origins:
        return Finding(
            "base-url",
            "problem",
            say(f"{config.base_url} is not https.", f"{config.base_url} n’est pas en https."),
            say(
                "Other co-ops will refuse it. For development, put it into allow_origins.",
                "Les autres coopératives la refuseront. En développement, ajoutez-la à allow_origins.",
            ),
        )
    return Finding("base-url", "ok", f"{config.base_url} ({say('development', 'développement')})")


def _database(config: Config) -> Finding:
    import asyncio

    from fedcoop.errors import Misconfigured
    from fedcoop.store.examine import examine as examine_database

    try:
        wrong = asyncio.run(examine_database(config.database_url))
    except Misconfigured as error:
        wrong = error.detail
    if wrong is None:
        return Finding("database", "ok", say("release and integrity", "version et intégrité"))
    return Finding(
        "database",
        "problem",
        wrong,
        say(
            "After an update, `fedcoop serve` migrates it; a damaged one is restored from a backup.",
            "Après une mise à jour, `fedcoop serve` la migre ; abîmée, restaurez une sauvegarde.",
        ),
    )


def _inside(config: Config) -> Iterator[Finding]:
    """Look at keys and deliveries from inside."""
    import asyncio

    from fedcoop import app
    from fedcoop.errors import FedcoopError

    async def look() -> list[Finding]:
        async with app.open_world(config) as world:
            founded_as = await world.store.read(lambda reader: reader.meta("base"))
            if founded_as not in {None, config.base_url}:
                return [_moved(config, str(founded_as))]
            return [await _keys(world), await _deliveries(world)]

    try:
        yield from asyncio.run(look())
    except FedcoopError as error:
        detail, step = str(error.extra.get("detail_fr", "")), str(error.extra.get("next_fr", ""))
        english = str(error.extra.get("next", _RESTORE))
        yield Finding(
            "keys", "problem", say(error.detail, detail or error.detail), say(english, step or _RESTORE)
        )
        return
    yield _encryption(config)
    open_to_others = [path for path in _private(config) if path.exists() and path.stat().st_mode & 0o077]
    if open_to_others:
        yield Finding(
            "rights",
            "problem",
            say("others may read ", "d’autres peuvent lire ")
            + ", ".join(path.name for path in open_to_others[:5]),
            "chmod go-rwx " + " ".join(str(path) for path in open_to_others[:5]),
        )
    else:
        yield Finding(
            "rights",
            "ok",
            say("keys are the owner’s alone", "les clés ne sont lisibles que de leur propriétaire"),
        )


def _moved(config: Config, founded_as: str) -> Finding:
    return Finding(
        "identity",
        "problem",
        say(
            f"this instance was founded as {founded_as}, not {config.base_url}",
            f"cette instance a été fondée comme {founded_as}, pas {config.base_url}",
        ),
        say(
            f'Write base_url = "{founded_as}" again; every id that others know has it.',
            f'Remettez base_url = "{founded_as}" ; chaque id connu des autres le contient.',
        ),
    )


_RESTORE: Final = say(
    "Restore the folder `keys` from a backup.", "Restaurez le dossier `keys` d’une sauvegarde."
)


def _private(config: Config) -> list[Path]:
    return [
        config.keys_folder,
        *sorted(config.keys_folder.glob("*.pem")),
        config.keys_folder / "sealing.json",
        config.key_file,
    ]


def _encryption(config: Config) -> Finding:
    """Say whether the private keys can be read without the operator's secret. They have been opened before."""
    from fedcoop.app import key_place
    from fedcoop.store.keyfolder import KeyFolder

    lying = KeyFolder(config.keys_folder, key_place(config)).open_files
    if not lying:
        return Finding(
            "encryption", "ok", say("the private keys are encrypted", "les clés privées sont chiffrées")
        )
    return Finding(
        "encryption",
        "problem",
        say(
            f"{len(lying)} key files are not encrypted: who reads them, or a backup, speaks as your actors",
            f"{len(lying)} fichiers de clés ne sont pas chiffrés : qui les lit parle au nom de vos acteurs",
        ),
        f"fedcoop keys encrypt {config.folder}",
    )


async def _keys(world: World) -> Finding:
    from fedcoop.flow.keys import check_keys

    checked = await check_keys(world)
    if not checked:
        return Finding(
            "keys",
            "problem",
            say("no actor at all", "aucun acteur"),
            say("Found it: fedcoop init", "Fondez-la : fedcoop init"),
        )
    return Finding("keys", "ok", say(f"{checked} actors", f"{checked} acteurs"))


async def _deliveries(world: World) -> Finding:
    counts = await world.store.read(lambda reader: reader.delivery_counts())
    owed, dead = counts.get("owed", 0), counts.get("dead", 0)
    return Finding(
        "deliveries", "ok", say(f"{owed} owed, {dead} given up", f"{owed} dues, {dead} abandonnées")
    )


# -- outside --------------------------------------------------------------------------------------------------------


def _port(config: Config, served_at: tuple[str, int] | None) -> Finding:
    host, port = served_at or (config.host, config.port)
    answers = _connects(host, port)
    if served_at is not None:
        if answers:
            return Finding("port", "ok", say(f"answers on {host}:{port}", f"répond sur {host}:{port}"))
        return Finding(
            "port",
            "problem",
            say(
                f"it is being served, but {host}:{port} does not answer",
                f"elle est servie, mais {host}:{port} ne répond pas",
            ),
            say("Stop that server and look at its log.", "Arrêtez ce serveur et lisez son journal."),
        )
    if answers:
        return Finding(
            "port",
            "problem",
            say(f"another program answers on {host}:{port}", f"un autre programme répond sur {host}:{port}"),
            say("Stop it, or set another `port`.", "Arrêtez-le, ou réglez un autre `port`."),
        )
    return Finding("port", "ok", say(f"{host}:{port} is free", f"{host}:{port} est libre"))


def _connects(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2.0):
            return True
    except OSError:
        return False


def _outside(config: Config, *, served: bool) -> Iterator[Finding]:
    """Look at ourselves as another co-op would: by our base URL."""
    offset = config.clock_offset
    if not served:
        later = say("it is not being served", "elle n’est pas servie")
        step = f"fedcoop serve {config.folder}"
        yield _clock(offset, None)
        yield Finding("reachable", "not checked", later, step)
        yield Finding("webfinger", "not checked", later, step)
        return
    reply = _get(f"{config.base_url}/actor")
    yield _clock(offset, reply)
    document = _document(reply)
    if reply is None or document.get("id") != f"{config.base_url}/actor":
        found = (
            say("no answer", "pas de réponse")
            if reply is None
            else f"{reply.status} {document.get('id', '')}".strip()
        )
        yield Finding(
            "reachable",
            "problem",
            say(
                f"{config.base_url}/actor is not answered by this instance: {found}",
                f"{config.base_url}/actor n’est pas servi par cette instance : {found}",
            ),
            say(
                "Check DNS, the proxy and that it passes the Host header unchanged.",
                "Contrôlez le DNS, le mandataire, et qu’il transmet l’en-tête Host tel quel.",
            ),
        )
        return
    if not _is_ours(config, document):
        yield Finding(
            "reachable",
            "problem",
            say(
                f"another instance answers under {config.base_url}: it has other keys",
                f"une autre instance répond sous {config.base_url} : elle a d’autres clés",
            ),
            say("Find out where DNS and the proxy lead.", "Voyez où mènent le DNS et le mandataire."),
        )
        return
    yield Finding("reachable", "ok", config.base_url)
    yield _webfinger(config)


def _is_ours(config: Config, document: dict[str, Any]) -> bool:
    """Tell whether an actor document publishes the key that lies in our folder."""
    from fedcoop.app import key_place
    from fedcoop.errors import Misconfigured
    from fedcoop.protocol.multikey import public_key_to_pem
    from fedcoop.store.keyfolder import KeyFolder

    listed = document.get("publicKey")
    try:
        key_id, key = KeyFolder(config.keys_folder, key_place(config)).http_key(f"{config.base_url}/actor")
    except Misconfigured:
        return True  # a fault of its own, found above
    for main in listed if isinstance(listed, list) else [listed]:
        if isinstance(main, dict) and main.get("id") == key_id:
            return bool(main.get("publicKeyPem") == public_key_to_pem(key.public_key()))
    return False


def _clock(offset: timedelta, reply: Reply | None) -> Finding:
    now = datetime.now(UTC) + offset
    date = reply.headers.get("date") if reply is not None else None
    said = parsedate_to_datetime(date) if date else datetime.now(UTC)
    off = abs(now - said)
    if off > LATE:
        return Finding(
            "clock",
            "problem",
            say(f"it is {off.total_seconds():.0f} s off", f"elle a {off.total_seconds():.0f} s d’écart"),
            say(
                "Set clock_offset_seconds to 0 and let NTP keep the time.",
                "Mettez clock_offset_seconds à 0 et laissez NTP tenir l’heure.",
            ),
        )
    if date is None:
        return Finding("clock", "ok", say("no offset is set", "aucun décalage réglé"))
    return Finding("clock", "ok", say("agrees with the server’s Date", "s’accorde avec la Date du serveur"))


def _webfinger(config: Config) -> Finding:
    host = urlsplit(config.base_url).netloc
    resource = f"acct:coop@{host}"
    reply = _get(
        f"{config.base_url}/.well-known/webfinger?resource={quote(resource, safe='')}",
        accept="application/jrd+json",
    )
    links = _document(reply).get("links")
    targets = (
        [link.get("href") for link in links if isinstance(link, dict)] if isinstance(links, list) else []
    )
    if f"{config.base_url}/actors/coop" in targets:
        return Finding("webfinger", "ok", resource)
    return Finding(
        "webfinger",
        "problem",
        say(f"{resource} is not found", f"{resource} est introuvable"),
        say(
            "The proxy must pass /.well-known/webfinger to this server.",
            "Le mandataire doit transmettre /.well-known/webfinger à ce serveur.",
        ),
    )


def _get(url: str, *, accept: str = "application/activity+json") -> Reply | None:
    from fedcoop.cli import client

    try:
        return client.get(url, accept=accept, timeout=10.0)
    except client.Unreachable:
        return None


def _document(reply: Reply | None) -> dict[str, Any]:
    return reply.problem() if reply is not None and reply.ok else {}
