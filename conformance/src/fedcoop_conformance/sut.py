"""What the operator says of the server under test: `sut.toml`, one file for configuration and profiles."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import jsonschema

from fedcoop_conformance import data


class BadSut(Exception):
    """`sut.toml` cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class SutActor:
    """A local actor of the server under test. `token` is there when a client may speak for it."""

    id: str
    inbox: str
    outbox: str
    role: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server states about itself, in bytes and seconds. What is stated is what is tested."""

    body: int = 1_048_576
    first_retry: float = 1.0
    retry_horizon: float = 600.0
    key_ttl: float = 60.0


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """How the server is made to act: the first kind, and what to fall back on for operations that it lacks."""

    kind: str
    command: tuple[str, ...] = ()
    url: str = ""
    token: str = ""
    fallback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """Where the suite's own servers listen."""

    mode: str = "loopback"
    host: str = "127.0.0.1"
    ports: tuple[int, ...] = ()
    tls: str = "off"
    public: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sut:
    """The whole of `sut.toml`. `base` is empty where the driver starts the server and says it."""

    profiles: tuple[str, ...]
    software: Mapping[str, str]
    base: str
    actors: tuple[SutActor, ...]
    driver: DriverSettings
    peer: PeerSettings
    limits: Limits = field(default_factory=Limits)
    features: Mapping[str, bool] = field(default_factory=dict)
    vectors: tuple[str, ...] = ()
    """The command of a program that answers the static vectors."""
    folder: Path = Path()
    """Where `sut.toml` lies: a driver's command is run there."""


_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load(path: Path, environment: Mapping[str, str] | None = None) -> Sut:
    """Read a `sut.toml`. `${NAME}` in a value stands for an environment variable, so that no secret is in the file.

    Raises:
        BadSut: it cannot be read, is no TOML, breaks the schema, or names a variable that is not set.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as failure:
        raise BadSut(f"{path}: {failure}") from failure
    return parse(said, os.environ if environment is None else environment, folder=path.parent)


def parse(said: Mapping[str, Any], environment: Mapping[str, str], *, folder: Path) -> Sut:
    """Return what a `sut.toml` says, checked against its schema.

    Raises:
        BadSut: as `load`.
    """
    whole = _filled(said, environment)
    validator = jsonschema.Draft202012Validator(data.read("schemas", "sut.json"))
    for fault in sorted(validator.iter_errors(whole), key=lambda e: list(e.absolute_path)):
        where = ".".join(str(part) for part in fault.absolute_path) or "the file"
        raise BadSut(f"{where}: {fault.message}")
    sut, driver, peer = whole.get("sut", {}), dict(whole["driver"]), dict(whole.get("peer", {}))
    for name in ("command", "fallback"):
        driver[name] = tuple(driver.get(name, ()))
    for name in ("ports", "public"):
        peer[name] = tuple(peer.get(name, ()))
    return Sut(
        profiles=tuple(whole["profiles"]),
        software=whole["software"],
        base=sut.get("base", ""),
        actors=tuple(
            SutActor(role=one.get("role", name), **_actor(one))
            for name, one in whole.get("actors", {}).items()
        ),
        driver=DriverSettings(**driver),
        peer=PeerSettings(**peer),
        limits=Limits(**sut.get("limits", {})),
        features=whole.get("features", {}),
        vectors=tuple(whole.get("vectors", {}).get("command", ())),
        folder=folder,
    )


def _actor(said: Mapping[str, Any]) -> dict[str, Any]:
    name = said["id"]
    return {
        "id": name,
        "inbox": said.get("inbox", f"{name}/inbox"),
        "outbox": said.get("outbox", f"{name}/outbox"),
        "token": said.get("token"),
    }


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _VARIABLE.sub(lambda found: _variable(found[1], environment), value)
        case list():
            return [_filled(one, environment) for one in value]
        case dict():
            return {key: _filled(one, environment) for key, one in value.items()}
        case _:
            return value


def _variable(name: str, environment: Mapping[str, str]) -> str:
    if name not in environment:
        raise BadSut(f"the environment variable {name} is not set: export {name}=…")
    return environment[name]
