"""The command line as people use it: a process, its exit status, what it says on both streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fedcoop.cli.instances import LocalInstance, found

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that `--json` promises."""
        return json.loads(self.out)


Run = Callable[..., Done]


def run_fedcoop(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, timeout: float = 90.0
) -> Done:
    """Run `fedcoop` with these arguments, in English unless the environment says otherwise."""
    kept = {k: v for k, v in os.environ.items() if k not in {"LANG", "LC_ALL", "FEDCOOP_LANG", "FEDCOOP_ENV"}}
    done = subprocess.run(
        [sys.executable, "-m", "fedcoop", *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**kept, **(environment or {})},
        cwd=ROOT,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def run() -> Run:
    """Run a command: `run("init", folder, …) -> Done(status, out, err)`."""
    return run_fedcoop


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> LocalInstance:
    """An instance that is founded and not served; one for the tests of a module."""
    return found(tmp_path_factory.mktemp("cli") / "lyon", name="Coop Lyon", kinds=("cae",), commune="69123")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalInstance]:
    """An instance that is being served; one for the tests of a module."""
    founded = found(tmp_path_factory.mktemp("cli") / "nantes", name="Coop Nantes", commune="44109")
    founded.start()
    yield founded
    founded.stop()


def a_mission(**changed: Any) -> dict[str, Any]:
    """A mission as a co-op writes it into a file."""
    mission: dict[str, Any] = {
        "type": "Note",
        "fedcoopType": ["Proposal", "Mission"],
        "name": "Livraisons à vélo",
        "content": "<p>Livraisons à vélo, samedi</p>",
        "location": {"type": "Place", "name": "Lyon", "inseeCommune": "69123", "addressCountry": "FR"},
        "publishes": {"resourceQuantity": {"hasUnit": "day", "hasNumericalValue": "1"}},
        "price": {
            "type": "PriceBreakdown",
            "lines": [
                {
                    "type": "SettlementLine",
                    "lineKind": "fee",
                    "amount": {"type": "MonetaryAmount", "value": "160.00", "currency": "EUR"},
                }
            ],
            "totalExclTax": {"type": "MonetaryAmount", "value": "160.00", "currency": "EUR"},
        },
        "relayScope": "public",
    }
    return {**mission, **changed}


def write(folder: Path, **missions: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, mission in missions.items():
        (folder / f"{name}.json").write_text(json.dumps(mission))
    return folder


@pytest.fixture(scope="module")
def published(run: Run, instance: LocalInstance, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a mission that was published from a file."""
    folder = write(tmp_path_factory.mktemp("one"), one=a_mission())
    done = run("mission", "publish", instance.folder, folder / "one.json", "--json")
    assert done.status == 0, done.err
    mission: str = done.json["missions"][0]
    return mission


@pytest.fixture(scope="module")
def history(
    run: Run, instance: LocalInstance, published: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The history of the published mission, as a file."""
    file = tmp_path_factory.mktemp("history") / "history.json"
    done = run("history", instance.folder, published, "-o", file)
    assert done.status == 0, done.err
    return file
