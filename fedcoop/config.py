"""The settings of one instance: `fedcoop.toml` in its folder, read once, frozen, passed down (house rule 17).

An unknown or misspelt setting is refused, never ignored: an operator who writes `alow_origins` must hear of it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from fedcoop.errors import Misconfigured

FILE: Final = "fedcoop.toml"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LANGUAGES: Final = ("fr", "en")
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(?::\d{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that an operator can set. The table in docs/settings.md is compared with this by a test."""

    folder: Path
    """The instance's folder; not a setting of the file."""
    base_url: str
    """Our public origin, such as `https://coop-lyon.example`. Changing it orphans every actor and object."""
    name: str
    """Name of the co-operative."""
    language: str = "fr"
    """Language of pages when the visitor asks for none: `fr` or `en`."""
    database: str = "sqlite+aiosqlite:///fedcoop.db"
    """Where the data are: a file of the folder, or `postgresql+asyncpg://user:password@host/name`."""
    host: str = "127.0.0.1"
    """Address to listen on; a reverse proxy speaks TLS in front of it."""
    port: int = 8080
    """Port to listen on."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    signature_hours: int = 1
    """How old a request's signature may be, in hours; up to 12 for peers whose clocks are wrong (D5)."""
    allow_origins: frozenset[str] = frozenset()
    """Development (D10): exact origins that may be plain http or private. Empty in production."""
    extra_ca_file: Path | None = None
    """Development (D10): a PEM file of further certificate authorities."""
    first_retry_seconds: float = 6.0
    """Development (D10): wait after a first failed delivery; later waits shrink in proportion."""
    clock_offset_seconds: float = 0.0
    """Development (D10): how far the instance's clock is ahead of the machine's."""

    @property
    def database_url(self) -> str:
        """The database as SQLAlchemy takes it; a relative SQLite path lies in the folder."""
        prefix = "sqlite+aiosqlite:///"
        if self.database.startswith(prefix) and not self.database.removeprefix(prefix).startswith("/"):
            return f"{prefix}{self.folder / self.database.removeprefix(prefix)}"
        return self.database

    @property
    def keys_folder(self) -> Path:
        """Where the private keys of our actors are."""
        return self.folder / "keys"

    @property
    def signature_window(self) -> tuple[timedelta, timedelta]:
        """How old, and how far ahead of our clock, a signature may be."""
        return timedelta(hours=self.signature_hours), timedelta(minutes=5)

    @property
    def first_retry(self) -> timedelta:
        """`first_retry_seconds` as a duration."""
        return timedelta(seconds=self.first_retry_seconds)

    @property
    def clock_offset(self) -> timedelta:
        """`clock_offset_seconds` as a duration."""
        return timedelta(seconds=self.clock_offset_seconds)


DEVELOPMENT: Final = ("allow_origins", "extra_ca_file", "first_retry_seconds", "clock_offset_seconds")
"""Settings of the `[development]` table; all others stand at the top of the file."""


def load(folder: Path) -> Config:
    """Return the settings of the instance in `folder`.

    Raises:
        Misconfigured: there is none, the file is not TOML, or a setting is unknown, missing or wrong; the message
            names the file, the setting and what to write instead.
    """
    file = folder / FILE
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        detail = (
            f"There is no instance in {folder}: {FILE} is missing. Make one with `fedcoop init {folder}`."
        )
        raise Misconfigured("misconfigured", detail) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured("misconfigured", f"{file} cannot be read: {error}") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured("misconfigured", f"{file} is not TOML: {error}") from error
    development = table.pop("development", {})
    _known(file, table, [n for n in _settings() if n not in DEVELOPMENT], "")
    _known(file, development, DEVELOPMENT, "development.")
    return _checked(file, folder.resolve(), {**table, **development})


def write_settings(
    folder: Path,
    *,
    base_url: str,
    name: str,
    language: str = "fr",
    port: int | None = None,
    allow_origins: Sequence[str] = (),
    first_retry_seconds: float | None = None,
) -> None:
    """Write the settings of a new instance into `folder`, which is made if need be.

    Raises:
        Misconfigured: there is an instance in it already, or a setting is wrong; nothing was written.
    """
    file = folder / FILE
    if file.exists():
        raise Misconfigured(
            "misconfigured", f"{folder} holds an instance already ({FILE}); nothing was changed."
        )
    values: dict[str, Any] = {"base_url": base_url, "name": name, "language": language}
    if port is not None:
        values["port"] = port
    development: dict[str, Any] = {"allow_origins": list(allow_origins)} if allow_origins else {}
    if first_retry_seconds is not None:
        development["first_retry_seconds"] = first_retry_seconds
    _checked(file, folder.resolve(), {**values, **development})
    lines = ["# Settings of this instance. Every setting and its meaning: docs/settings.md", ""]
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    if development:
        lines += ["", "# For development only: remove this table on a public server.", "[development]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in development.items()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n", "utf-8")
    file.chmod(0o600)


def _settings() -> list[str]:
    return [name for name in Config.__dataclass_fields__ if name != "folder"]


def _known(file: Path, table: Any, names: Sequence[str], prefix: str) -> None:
    if not isinstance(table, Mapping):
        raise Misconfigured(
            "misconfigured", f"{file}: `{prefix.rstrip('.')}` is a table: write [development]."
        )
    for name in table:
        if name not in names:
            known = ", ".join(names)
            detail = f"{file}: there is no setting `{prefix}{name}`. There are: {known}."
            if name in DEVELOPMENT:
                detail = f"{file}: `{name}` belongs under [development]."
            raise Misconfigured("misconfigured", detail)


def _checked(file: Path, folder: Path, values: Mapping[str, Any]) -> Config:
    def wrong(name: str, expected: str) -> Misconfigured:
        received = f"it is {values[name]!r}" if name in values else "it is missing"
        return Misconfigured("misconfigured", f"{file}: `{name}` must be {expected}; {received}.")

    for name, kind, expected in _TYPES:
        if name in values and (not isinstance(values[name], kind) or isinstance(values[name], bool)):
            raise wrong(name, expected)
    base = values.get("base_url")
    if not isinstance(base, str) or not _ORIGIN.fullmatch(base):
        raise wrong("base_url", "an origin without a path, such as https://coop.example")
    origins = values.get("allow_origins", [])
    if not all(isinstance(o, str) and _ORIGIN.fullmatch(o) for o in origins):
        raise wrong("allow_origins", "a list of origins such as http://127.0.0.1:8101")
    if base.startswith("http://") and base not in origins:
        raise wrong("base_url", "https (plain http only in development, listed in allow_origins)")
    if not isinstance(values.get("name"), str) or not values["name"].strip():
        raise wrong("name", "the co-operative's name")
    if values.get("language", "fr") not in LANGUAGES:
        raise wrong("language", "fr or en")
    if values.get("log_level", "info") not in LOG_LEVELS:
        raise wrong("log_level", " or ".join(LOG_LEVELS))
    if not 0 <= values.get("port", 8080) <= 65535:
        raise wrong("port", "a port number")
    if not 1 <= values.get("signature_hours", 1) <= 12:
        raise wrong("signature_hours", "1 to 12")
    if values.get("first_retry_seconds", 6.0) <= 0:
        raise wrong("first_retry_seconds", "more than 0")
    if not str(values.get("database", "sqlite+aiosqlite:///x")).startswith(
        ("sqlite+aiosqlite:///", "postgresql+asyncpg://")
    ):
        raise wrong("database", "sqlite+aiosqlite:///FILE or postgresql+asyncpg://…")
    whole = {**values, "folder": folder, "allow_origins": frozenset(origins)}
    if "extra_ca_file" in values:
        whole["extra_ca_file"] = folder / values["extra_ca_file"]
    return Config(**whole)


_TYPES: Final[tuple[tuple[str, type | tuple[type, ...], str], ...]] = (
    ("allow_origins", list, "a list"),
    ("extra_ca_file", str, "the path of a PEM file"),
    ("port", int, "a number"),
    ("signature_hours", int, "a whole number"),
    ("first_retry_seconds", (int, float), "a number of seconds"),
    ("clock_offset_seconds", (int, float), "a number of seconds"),
    ("database", str, "a database URL"),
    ("host", str, "an address"),
)
