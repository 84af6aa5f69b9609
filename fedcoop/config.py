"""The settings of one instance: read once from `fedcoop.toml` in its folder, checked, and passed down.

Every setting is in `SETTINGS` with what it does and what it is when it is left out; the file that `write_settings`
writes is made from that list, so a new instance's file is also the documentation of all of them.
"""

from __future__ import annotations

import json
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from fedcoop.errors import Malformed, Misconfigured
from fedcoop.protocol import ids, limits
from fedcoop.protocol.model import CODE_LISTS
from fedcoop.protocol.relaying import MAX_WISHES, Wish, wish_of

FILE: Final = "fedcoop.toml"

KEY_FILE: Final = "fedcoop.key"
"""Where the secret of the private keys is when nothing else is said: beside the settings, outside of `keys/`."""

Language: TypeAlias = Literal["fr", "en"]


@dataclass(frozen=True, slots=True)
class Config:
    """One instance's settings, all checked. `SETTINGS` says how each is written in the file."""

    folder: Path
    """The instance's folder, absolute: `fedcoop.toml`, the keys and, by default, the database."""
    base_url: str
    """Our public origin, without a slash at the end. Changing it orphans every id that others know."""
    name: str
    """The co-op's name."""
    summary_fr: str
    """What the co-op says of itself in French, plain text."""
    summary_en: str
    """The same in English."""
    kinds: tuple[str, ...]
    """Codes of CoopKind."""
    siren: str | None
    """SIREN number of a French co-op."""
    commune: str | None
    """INSEE code of the commune where it is."""
    language: Language
    """Language of pages for people who ask for neither French nor English."""
    database_url: str
    """SQLAlchemy URL: `sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`."""
    host: str
    """Address that we listen on."""
    port: int
    """Port that we listen on."""
    log_level: str
    """debug, info, warning or error."""
    key_file: Path
    """File with the secret that opens the private keys, unless they were encrypted with a passphrase; absolute."""
    key_passphrase: str | None = field(repr=False)
    """The passphrase that opens them, from the environment."""
    key_overlap: timedelta
    """How long a key that was replaced is still good."""
    signature_window: tuple[timedelta, timedelta]
    """How old, and how far ahead, a signature may be."""
    allow_origins: frozenset[str]
    """Origins that may be plain http, private or have a port (D10); empty in production."""
    extra_ca_file: str | None
    """PEM file of authorities trusted besides the system's own (D10), absolute."""
    inbox_per_peer: tuple[int, timedelta]
    """How many messages one peer may send, once its signature is good."""
    inbox_per_address: tuple[int, timedelta]
    """How many requests one address may send that nobody signed well."""
    signed_reads: bool
    """Only our own and peers who sign read documents for machines."""
    agreements_from: Literal["anybody", "peers"]
    """Who may propose a federation agreement."""
    first_retry: timedelta
    """First wait after a failed delivery; the later ones are in proportion when it is shorter (D10)."""
    clock_offset: timedelta
    """How far our clock is set ahead (D10); zero in production."""
    relay: Literal["", "asked", "open"]
    """"" for a co-op; for a relay whether its operator answers those who subscribe, or everybody is accepted."""
    relay_carries: Wish
    """What a relay passes on at all."""

    @property
    def keys_folder(self) -> Path:
        """Where the private keys are."""
        return self.folder / "keys"


# -- every setting ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the file. `check` returns what is wrong with a value of the right kind, or None."""

    name: str
    default: Any
    """The value when it is left out; its type is the type that the file must have. None: it must be given."""
    what: str
    check: Callable[[Any], str | None] = lambda value: None


def _is_name(value: str) -> str | None:
    if not value.strip() or len(value) > limits.MAX_NAME or not value.isprintable():
        return f"write 1 to {limits.MAX_NAME} characters on one line"
    return None


def _is_bio(value: str) -> str | None:
    return f"at most {limits.MAX_BIO} characters" if len(value) > limits.MAX_BIO else None


def _is_siren(value: str) -> str | None:
    digits = [int(c) for c in value] if value.isascii() and value.isdigit() else []
    doubled = [sum(divmod(2 * d, 10)) if place % 2 else d for place, d in enumerate(reversed(digits))]
    if value and (len(digits) != 9 or sum(doubled) % 10):
        return "a SIREN number has nine digits, the last of which checks the others"
    return None


def _is_commune(value: str) -> str | None:
    if value and re.fullmatch(r"[0-9]{5}|2[AB][0-9]{3}", value) is None:
        return "write the INSEE code of a commune, such as 69123 (not the postal code)"
    return None


def _are_kinds(value: list[str]) -> str | None:
    known = CODE_LISTS["CoopKind"]
    unknown = [kind for kind in value if kind not in known]
    return f"{unknown[0]!r} is not one of {', '.join(known)}" if unknown else None


def _one_of(*words: str) -> Callable[[str], str | None]:
    return lambda value: None if value in words else "write one of " + ", ".join(words)


def _between(low: float, high: float) -> Callable[[float], str | None]:
    # Written so that a NaN, which TOML has, is not between.
    return lambda value: None if low <= value <= high else f"write a number from {low:g} to {high:g}"


def _are_wishes(name: str) -> Callable[[list[str]], str | None]:
    def check(value: list[str]) -> str | None:
        try:
            wish_of({name: value})
        except Malformed:
            return f"write {WISHES[name]}, {MAX_WISHES} of them at most"
        return None

    return check


WISHES: Final[Mapping[str, str]] = {
    "classes": "classes of the vocabulary, such as Mission",
    "rome": "ROME codes or their beginnings, such as N or N41",
    "regions": "INSEE codes of regions, such as 52 or 974",
}


def _are_origins(value: list[str]) -> str | None:
    for entry in value:
        try:
            canonical = ids.origin(entry)
        except Malformed:
            canonical = ""
        if entry != canonical:
            return (
                f"{entry!r} is not an origin; write it like http://127.0.0.1:8101, without a slash at the end"
            )
    return None


SETTINGS: Final = (
    Setting(
        "base_url",
        None,
        "The address that people and other co-ops know us by: https and a name, no path, no slash at the end. "
        "It is in every id that we give out, so it cannot be changed once others know it.",
    ),
    Setting("name", None, "The co-op's name, as people read it.", _is_name),
    Setting("summary_fr", "", "What the co-op says of itself, in French.", _is_bio),
    Setting("summary_en", "", "The same in English.", _is_bio),
    Setting("kinds", [], "What it is, by codes of CoopKind: cae, scop, scic …", _are_kinds),
    Setting("siren", "", "Its SIREN number, when it has one.", _is_siren),
    Setting("commune", "", "Where it is: INSEE code of the commune, such as 69123.", _is_commune),
    Setting(
        "language",
        "fr",
        "Language of the pages for people whose browser asks for neither French nor English: fr or en.",
        _one_of("fr", "en"),
    ),
    Setting(
        "database",
        "",
        "SQLAlchemy URL, such as postgresql+asyncpg://user@host/name. "
        "Left empty it is fedcoop.db in this folder, an SQLite file.",
    ),
    Setting("host", "127.0.0.1", "Address to listen on. Put a proxy with TLS in front of it.", _is_name),
    Setting(
        "port",
        0,
        "Port to listen on. 0 is the port of base_url, or 8080 when it has none.",
        _between(0, 65535),
    ),
    Setting(
        "log_level",
        "info",
        "How much is logged: debug, info, warning or error.",
        _one_of("debug", "info", "warning", "error"),
    ),
    Setting(
        "key_file",
        "",
        "File with the secret that opens the private keys, when they are not encrypted with a passphrase. "
        "A relative path begins in this folder; left empty it is fedcoop.key in this folder. "
        "FEDCOOP_KEY_FILE in the environment comes before it, and FEDCOOP_KEY_PASSPHRASE holds the passphrase.",
    ),
    Setting(
        "key_overlap_days",
        7.0,
        "How long a key stays good after `fedcoop keys rotate` has replaced it, for peers that have not asked since.",
        _between(1, 365),
    ),
    Setting(
        "signature_age_minutes",
        60.0,
        "How old a signature may be. More than 60 only to hear servers with slow queues; at most 720.",
        _between(5, limits.SIGNATURE_MAX_AGE_COMPAT / timedelta(minutes=1)),
    ),
    Setting(
        "peer_messages_per_5_minutes",
        limits.INBOX_RATE_PER_PEER[0],
        "How many messages one peer may send us in five minutes, counted once the signature is good. More is answered "
        "429, and sent again later. Other peers are not affected.",
        _between(1, 1_000_000),
    ),
    Setting(
        "unverified_per_minute",
        limits.INBOX_RATE_PER_ADDRESS[0],
        "How many messages with no good signature one address (IPv6: its /64) may send us in a minute.",
        _between(1, 1_000_000),
    ),
    Setting(
        "readers",
        "anybody",
        "Who may read what is public as a document for machines: anybody, or peers. With peers it is our own members, "
        "and the co-ops that we work with by signed requests; pages for people stay open, and what a signature needs.",
        _one_of("anybody", "peers"),
    ),
    Setting(
        "agreements_from",
        "anybody",
        "Who may propose a federation agreement: anybody (a proposal of a co-op that nobody decided about waits for "
        "you, one of each server and twenty in all), or peers, which are let in already.",
        _one_of("anybody", "peers"),
    ),
    Setting(
        "relay",
        "",
        "For a relay, which `fedcoop relay init` founds: asked, when its operator answers whoever subscribes, or open, "
        "when all are accepted. Left empty, as for a co-op, nothing is relayed.",
        _one_of("", "asked", "open"),
    ),
    Setting(
        "relay_classes",
        ["Mission", "ServiceOffer", "Need"],
        "Relay only: classes of what is passed on; [] is everything that its publishers send.",
        _are_wishes("classes"),
    ),
    Setting(
        "relay_rome",
        [],
        "Relay only: ROME codes or their beginnings; [] is any trade, and none given.",
        _are_wishes("rome"),
    ),
    Setting(
        "relay_regions",
        [],
        "Relay only: INSEE codes of regions; [] is any place, and none given.",
        _are_wishes("regions"),
    ),
    Setting(
        "allow_origins",
        [],
        "Development only: exact origins that may be plain http, on this machine or in a private network. "
        "Without it nothing private is ever fetched.",
        _are_origins,
    ),
    Setting(
        "extra_ca_file",
        "",
        "Development only: PEM file of certificate authorities to trust besides the system's own. "
        "A relative path begins in this folder.",
    ),
    Setting(
        "first_retry_seconds",
        limits.DELIVERY_STEPS[0].total_seconds(),
        "Development only: first wait after a failed delivery; the later waits are in proportion.",
        _between(0.05, 3600),
    ),
    Setting(
        "clock_offset_seconds",
        0.0,
        "Development only: how far our clock is ahead of the machine's.",
        _between(-1e9, 1e9),
    ),
)

DEVELOPMENT: Final = ("allow_origins", "extra_ca_file", "clock_offset_seconds")
"""Settings that a server for the public must not have (security.md §3.3 rule 9)."""


# -- reading ------------------------------------------------------------------------------------------------


def load(folder: Path, *, environment: Mapping[str, str] = os.environ) -> Config:
    """Return the settings of the instance in `folder`.

    With `FEDCOOP_ENV=production` in the environment, development settings are refused.

    Raises:
        Misconfigured: there is no instance, or a setting is unknown, of the wrong kind or not usable. `detail`
            names file and line, `extra["next"]` says what to do.
    """
    file = folder.absolute() / FILE
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError as error:
        raise _wrong(
            f"{folder} holds no instance: there is no {FILE} in it",
            "found one with: fedcoop init DIR --base-url URL --name NAME",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(
            f"{file} cannot be read: {error}", "it must be a UTF-8 file that you may read"
        ) from error
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _wrong(f"{file} is not TOML: {error}", "correct that line; text stands in quotes") from error
    return _checked(file, text, written, environment)


def _checked(file: Path, text: str, written: Mapping[str, Any], environment: Mapping[str, str]) -> Config:
    def wrong(name: str, detail: str, next_step: str) -> Misconfigured:
        line = _line_of(name, text)
        return _wrong(f"{file}{f':{line}' if line else ''}: {name} {detail}", next_step)

    known = {setting.name for setting in SETTINGS}
    for name in written:
        if name not in known:
            raise wrong(name, "is not a setting", f"take it out; the settings are {', '.join(sorted(known))}")
    values = {}
    for setting in SETTINGS:
        if setting.name not in written and setting.default is None:
            raise wrong(setting.name, "is missing", setting.what)
        value = written.get(setting.name, setting.default)
        kind = _kind_wrong(value, "" if setting.default is None else setting.default)
        if kind is not None:
            raise wrong(setting.name, f"is not {kind}", f"write it as {kind}")
        problem = setting.check(value)
        if problem is not None:
            raise wrong(setting.name, f"is {value!r}", problem)
        values[setting.name] = value
    _check_base_url(values, wrong)
    if environment.get("FEDCOOP_ENV") == "production":
        for name in DEVELOPMENT:
            if values[name]:
                raise wrong(name, "is for development", "take it out, or do not set FEDCOOP_ENV=production")
    return _config(file.parent, values, environment)


def _kind_wrong(value: Any, example: Any) -> str | None:
    """Return what a value should have been, when it is not of the kind of `example`."""
    match example:
        case str():
            return None if isinstance(value, str) else "a text in quotes"
        case list():
            texts = isinstance(value, list) and all(isinstance(entry, str) for entry in value)
            return None if texts else 'a list of texts, such as ["a", "b"]'
        case int():
            whole = isinstance(value, int) and not isinstance(value, bool)
            return None if whole else "a whole number"
        case _:
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            return None if number else "a number"


def _check_base_url(values: Mapping[str, Any], wrong: Callable[[str, str, str], Misconfigured]) -> None:
    base, allowed = values["base_url"], values["allow_origins"]
    try:
        canonical = ids.origin(base)
        if base != canonical:
            raise wrong("base_url", f"is {base!r}, which is not an origin", f"write it as {canonical}")
        ids.check_id(base, allow_origins=frozenset(allowed))
    except Malformed as refusal:
        raise wrong(
            "base_url",
            f"is {base!r}: {refusal.detail}",
            "write it like https://coop.example; for development, name it in allow_origins as well",
        ) from refusal


def _config(folder: Path, values: Mapping[str, Any], environment: Mapping[str, str]) -> Config:
    default_database = f"sqlite+aiosqlite:///{folder / 'fedcoop.db'}"
    if not values["database"] and "?" in str(folder):
        raise _wrong(f"{folder} has a question mark in its name", "rename the folder, or set database")
    return Config(
        folder=folder,
        base_url=values["base_url"],
        name=values["name"],
        summary_fr=values["summary_fr"],
        summary_en=values["summary_en"],
        kinds=tuple(values["kinds"]),
        siren=values["siren"] or None,
        commune=values["commune"] or None,
        language=values["language"],
        database_url=values["database"] or default_database,
        host=values["host"],
        port=values["port"] or urlsplit(values["base_url"]).port or 8080,
        log_level=values["log_level"],
        key_file=_key_file(folder, values["key_file"], environment),
        key_passphrase=environment.get("FEDCOOP_KEY_PASSPHRASE") or None,
        key_overlap=timedelta(days=values["key_overlap_days"]),
        signature_window=(timedelta(minutes=values["signature_age_minutes"]), limits.SIGNATURE_MAX_AHEAD),
        allow_origins=frozenset(values["allow_origins"]),
        extra_ca_file=str(folder / values["extra_ca_file"]) if values["extra_ca_file"] else None,
        inbox_per_peer=(values["peer_messages_per_5_minutes"], limits.INBOX_RATE_PER_PEER[1]),
        inbox_per_address=(values["unverified_per_minute"], limits.INBOX_RATE_PER_ADDRESS[1]),
        signed_reads=values["readers"] == "peers",
        agreements_from=values["agreements_from"],
        first_retry=timedelta(seconds=values["first_retry_seconds"]),
        clock_offset=timedelta(seconds=values["clock_offset_seconds"]),
        relay=values["relay"],
        relay_carries=wish_of({name: values[f"relay_{name}"] for name in WISHES}),
    )


def _key_file(folder: Path, written: str, environment: Mapping[str, str]) -> Path:
    # The environment's is relative to where the command is run, as everywhere.
    given = environment.get("FEDCOOP_KEY_FILE")
    return Path(given).absolute() if given else folder / (written or KEY_FILE)


def _line_of(name: str, text: str) -> int | None:
    """Return the line on which `name` is written, as a key or as a table; tomllib does not say."""
    written = re.compile(rf"""\s*(?:\[+\s*)?["']?{re.escape(name)}["']?\s*[=.\]]""")
    lines = (number for number, line in enumerate(text.splitlines(), 1) if written.match(line))
    return next(lines, None)


def _wrong(detail: str, next_step: str) -> Misconfigured:
    return Misconfigured("misconfigured", detail, extra={"next": next_step})


# -- writing ------------------------------------------------------------------------------------------------


def write_settings(folder: Path, **given: Any) -> Path:
    """Write `fedcoop.toml` for a new instance in `folder` (made if need be) and return its path.

    `given` are settings by name: `base_url` and `name`, and whatever differs from its default; None and the
    default itself are left out. All others stand in the file as comments. It is readable by its owner only.

    Raises:
        Misconfigured: there is an instance already, or a setting is not usable; nothing was written.
    """
    file = folder.absolute() / FILE
    text = _text_of({name: value for name, value in given.items() if value is not None})
    # What we write must be what we read; and nobody asks for production while founding.
    _checked(file, text, tomllib.loads(text), {})
    try:
        encoded = text.encode("utf-8")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise _wrong(
            f"{folder} already holds an instance", "name another folder; nothing was changed"
        ) from error
    except (OSError, UnicodeEncodeError) as error:
        raise _wrong(f"{file} cannot be written: {error}", "name a folder that you may write") from error
    with open(descriptor, "wb") as opened:
        opened.write(encoded)
    return file


def _text_of(given: Mapping[str, Any]) -> str:
    lines = ["# The settings of this instance. Lines after a # are what holds when nothing is written.", ""]
    for setting in SETTINGS:
        value = given.get(setting.name, setting.default)
        default = value is None or value == setting.default
        lines += [f"# {line}" for line in _wrapped(setting.what)]
        lines += [f"{'# ' if default else ''}{setting.name} = {_toml(value)}", ""]
    unknown = [f"{name} = {_toml(value)}" for name, value in given.items() if name not in _NAMES]
    return "\n".join(lines + unknown)


_NAMES: Final = frozenset(setting.name for setting in SETTINGS)


def _wrapped(text: str) -> list[str]:
    return re.findall(r"\S.{0,88}\S(?=\s|$)", text)


def _toml(value: Any) -> str:
    """Return a value as TOML; its texts and lists are written as JSON's are, but for one character."""
    if isinstance(value, tuple | list | set | frozenset):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return json.dumps("" if value is None else value, ensure_ascii=False).replace("\x7f", "\\u007f")
