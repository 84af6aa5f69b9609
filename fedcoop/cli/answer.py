"""How every command answers: text for people or one JSON document, and failures that name the next step."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from rich.progress import Progress

AsJson: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json",
        help=say(
            "Answer with one JSON document on standard output.",
            "Répond par un document JSON sur la sortie standard.",
        ),
    ),
]


class Failed(Exception):
    """A command could not do what it was asked: what happened, and what to do next. Ends with exit status 1."""

    def __init__(
        self, code: str, detail: str, *, next_step: str = "", extra: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{detail} → {next_step}" if next_step else detail)
        self.code = code
        self.detail = detail
        self.next_step = next_step
        self.extra = dict(extra or {})


class WronglyUsed(Failed):
    """The arguments make no sense, whatever the state of the world. Ends with exit status 2."""


def answer(document: Mapping[str, Any], *, as_json: bool, lines: Iterable[str]) -> None:
    """Print the outcome: the document with `--json`, the lines otherwise."""
    if as_json:
        print(json.dumps(document, ensure_ascii=False, indent=2), flush=True)
    else:
        for line in lines:
            print(line)
        sys.stdout.flush()


def remark(text: str) -> None:
    """Tell the person something beside the outcome, on standard error."""
    print(text, file=sys.stderr, flush=True)


def complain(failure: Failed, *, as_json: bool) -> None:
    """Print a failure: one JSON document on standard output with `--json`, sentences on standard error otherwise."""
    if as_json:
        error = {"code": failure.code, "detail": failure.detail, **failure.extra}
        if failure.next_step:
            error["next"] = failure.next_step
        print(json.dumps({"ok": False, "error": error}, ensure_ascii=False, indent=2), flush=True)
        return
    print(f"fedcoop: {failure.detail}", file=sys.stderr)
    if failure.next_step:
        print(f"  → {failure.next_step}", file=sys.stderr)
    sys.stderr.flush()


def progress() -> Progress:
    """Return a progress display on standard error; silent where standard error is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def explained(code: str) -> str:
    """Return the next step that belongs to a problem code, or an empty string."""
    steps = {
        "not-in-allow-list": say(
            "Ask the other co-op to run `fedcoop peer allow DIR <your origin>`.",
            "Demandez à l’autre coopérative de lancer `fedcoop peer allow DIR <votre origine>`.",
        ),
        "token-invalid": say(
            "Make one with `fedcoop token new DIR MEMBER --name NAME`.",
            "Créez-en un par `fedcoop token new DIR MEMBRE --name NOM`.",
        ),
    }
    return steps.get(code, "")
