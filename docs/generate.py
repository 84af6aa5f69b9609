"""Writes the reference pages from the program itself: commands, settings, limits, the head of the addresses.

    python docs/generate.py            write docs/cli.md, cli.fr.md, settings.md, limits.md, protocol.md, FEDERATION.md
    python docs/generate.py --check    say which of them are not what the program says; exit status 1 if any

A page is prose with generated parts between `<!-- generated: name -->` and `<!-- end -->`; only those are replaced.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fedcoop.config import DEVELOPMENT, SETTINGS  # noqa: E402
from fedcoop.protocol import cavage, limits, messagesig, proof  # noqa: E402
from fedcoop.protocol.actors import IMPLEMENTS  # noqa: E402
from fedcoop.protocol.authorise import RULES  # noqa: E402
from fedcoop.protocol.model import AUTHORISATION, PROBLEMS  # noqa: E402
from fedcoop.protocol.policy import TABLE  # noqa: E402
from fedcoop.web.server import machine_routes  # noqa: E402

NOT_A_LIMIT: Final = frozenset({"KIB", "MIB"})

WITHOUT_A_CHECK: Final[Mapping[str, str]] = {
    "HEADER_READ_TIME": "the proxy in front; the server closes a connection that says nothing after `KEEP_ALIVE`",
    "MAX_HEADERS": "the proxy in front; here only each line and their number are bounded",
    "MAX_ALIASES": "nobody: aliases are not read in this release",
    "MAX_ATTACHMENTS": "nobody: attachments are not shown, and of credentials two at most are looked at",
    "MAX_KEY_FETCHES_PER_REQUEST": "the way it is written: a key is asked for once, and once more when it fails; "
    "each time unsigned, and after a 401 signed in either dialect",
    "MAX_FETCHES_PER_INBOUND": "the way it is written: a key, two issuers and eight recipients are looked up at most",
    "MAX_FETCH_DEPTH": "nobody: no document makes us fetch another in this release, but for a key and its owner",
    "MAX_COLLECTION_PAGES": "nobody: foreign collections are not read in this release",
    "MAX_COLLECTION_ITEMS": "nobody: foreign collections are not read in this release",
    "MAX_DELIVERIES_AT_ONCE": "nobody: `MAX_POSTS_AT_ONCE` holds for every store",
    "REPLAY_MEMORY": "the way it is written: no activity id is ever forgotten",
    "SIGNATURE_MAX_AGE": "the default of the setting `signature_age_minutes`",
}
"""Limits that no module names, and who holds them then. The page says so; a limit in neither place is an error."""


# -- commands -----------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, groups before their verbs."""
    import typer.main

    from fedcoop.cli.program import build

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            yield from walk(inner, (*words, name))

    yield from walk(typer.main.get_command(build()), ())


def helps(language: str) -> str:
    """Return a section with the help of each command, in a process of its own: the language is chosen at its start."""
    asked = subprocess.run(
        [sys.executable, __file__, "--helps"],
        check=True,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "FEDCOOP_LANG": language, "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
    )
    return asked.stdout.strip()


def print_helps() -> None:
    """Print what `fedcoop … --help` prints, for every command."""
    from fedcoop.cli.program import run

    for words in commands():
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            run([*words, "--help"])
        name = " ".join(("fedcoop", *words))
        sys.stdout.write(f"## {name}\n\n```text\n{told.getvalue().strip()}\n```\n\n")


# -- settings -----------------------------------------------------------------------------------------------


def settings() -> str:
    """Return the table of settings."""
    rows = ["| setting | when it is left out | what it is |", "|---|---|---|"]
    for setting in SETTINGS:
        match setting.default:
            case None:
                default = "must be given"
            case "":
                default = "empty"
            case value:
                default = f"`{value}`".replace("'", '"')
        rows.append(f"| `{setting.name}` | {default} | {setting.what} |")
    return "\n".join(rows)


def refused_in_production() -> str:
    """Return the settings that FEDCOOP_ENV=production refuses, as a sentence's list."""
    return ", ".join(f"`{name}`" for name in DEVELOPMENT)


# -- peers --------------------------------------------------------------------------------------------------


def peer_states(language: str) -> str:
    """Return the table of what each state of a peer lets pass, from the rule itself."""
    fr = language == "fr"
    names = {
        "pending": ("pending", "en attente"),
        "allowed": ("allowed", "admise"),
        "limited": ("limited", "limitée"),
        "frozen": ("frozen", "gelée"),
        "blocked": ("blocked", "bloquée"),
    }
    shown = {
        "as-addressed": ("whoever they are for", "à qui elles s’adressent"),
        "members": ("our members only", "à nos membres seulement"),
        "nobody": ("nobody", "à personne"),
    }
    yes, no = ("oui", "non") if fr else ("yes", "no")
    rows = [
        "| état | commence | se poursuit | se termine | s’accorde | reçoit nos annonces | portée `network` | "
        "ses annonces vont |"
        if fr
        else "| state | begins | goes on | ends | agrees | is sent our board | scope `network` | "
        "its proposals are shown to |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for state, rights in TABLE.items():
        cells = [f"`{state}`" if not fr else f"{names[state][1]} (`{state}`)"]
        cells += [yes if deed in rights.deeds else no for deed in ("begins", "goes-on", "ends", "agrees")]
        cells += [yes if rights.board else no, yes if rights.network else no, shown[rights.shown][fr]]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


# -- limits -------------------------------------------------------------------------------------------------


def reasons() -> Iterator[tuple[str, str]]:
    """Yield (name, reason) of every limit, or ("", heading) where a new part of the module begins."""
    source = Path(limits.__file__).read_text(encoding="utf-8")
    headings = {
        number: match[1]
        for number, line in enumerate(source.splitlines(), 1)
        if (match := re.match(r"# -- (.+?) -+$", line))
    }
    body = ast.parse(source).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        for number in [n for n in headings if n < statement.lineno]:
            yield "", headings.pop(number)
        name = statement.target.id
        if name in NOT_A_LIMIT:
            continue
        text = following.value if isinstance(following, ast.Expr) else None
        reason = text.value if isinstance(text, ast.Constant) else ""
        yield name, " ".join(str(reason).split())


def value_of(value: Any) -> str:
    """Return a limit as people write it.

    >>> value_of(timedelta(minutes=90)), value_of(65536), value_of((300, timedelta(minutes=5)))
    ('90 min', '65 536', '300 in 5 min')
    """
    match value:
        case timedelta():
            seconds = value.total_seconds()
            for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
                if seconds >= size and seconds % size == 0:
                    return f"{seconds / size:g} {unit}"
            return f"{seconds:g} s"
        case (int() as number, timedelta() as time):
            return f"{number} in {value_of(time)}"
        case tuple():
            return ", ".join(map(value_of, value))
        case int():
            return f"{value:,}".replace(",", " ")
        case _:
            return str(value)


def holders(name: str) -> list[str]:
    """Return the modules of the server that name the limit."""
    word = re.compile(rf"\b{name}\b")
    found = [
        str(path.relative_to(ROOT / "fedcoop"))
        for path in sorted((ROOT / "fedcoop").rglob("*.py"))
        if path != Path(limits.__file__) and word.search(path.read_text(encoding="utf-8"))
    ]
    return [module for module in found if not module.startswith("cli/")] or found


def limit_tables() -> str:
    """Return a table for each part of `limits.py`. Raises KeyError for a limit that nobody holds."""
    parts: list[str] = []
    for name, text in reasons():
        if not name:
            parts.append(
                f"\n## {text[0].upper()}{text[1:]}\n\n| limit | value | what, and why | held by |\n|---|---|---|---|"
            )
            continue
        who = ", ".join(f"`{module}`" for module in holders(name)) or WITHOUT_A_CHECK[name]
        parts.append(f"| `{name}` | {value_of(getattr(limits, name))} | {text} | {who} |")
    return "\n".join(parts).strip()


# -- addresses ----------------------------------------------------------------------------------------------


def routes() -> list[tuple[str, str]]:
    """Return (method, path) of every address, as docs/http.md writes them: without patterns, without OPTIONS."""
    from fedcoop.web.pages import HtmlPages
    from fedcoop.web.pages_account import OwnAccount
    from fedcoop.web.pages_operator import Operator
    from fedcoop.web.pages_programs import Programs
    from fedcoop.web.pages_sign_in import SignIn

    # The pages' addresses are fixed; only their handlers need a world.
    pages = HtmlPages.__new__(HtmlPages)
    pages._sign_in = SignIn.__new__(SignIn)
    pages._account = OwnAccount.__new__(OwnAccount)
    pages._operator = Operator.__new__(Operator)
    pages._programs = Programs.__new__(Programs)
    found = [*machine_routes(), *pages.routes()]
    plain = [(route.method, re.sub(r"\{(\w+)(?::[^}]*)?\}", r"<\1>", route.path)) for route in found]
    return list(dict.fromkeys(pair for pair in plain if pair[0] != "OPTIONS"))


# -- for peers ----------------------------------------------------------------------------------------------

MET_BY_PEERS: Final = (
    "MAX_BODY", "MAX_URL", "MAX_RECIPIENTS", "MAX_KEYS_PER_ACTOR", "SIGNATURE_MAX_AGE", "SIGNATURE_MAX_AHEAD",
    "INBOX_RATE_PER_PEER", "INBOX_RATE_PER_ADDRESS", "READ_RATE_PER_ADDRESS", "MAX_CANDIDATES", "MAX_FLAGGED",
)  # fmt: skip
"""Limits that another server runs into; all of them are in limits.md."""


def taken_in() -> str:
    """Return the table of activities that are taken in, about what and from whom, as the vocabulary's data has them."""
    rows = ["| activity | about | from |", "|---|---|---|"]
    for activity in RULES:
        listed = [row for row in AUTHORISATION if row.activity == activity and row.implemented]
        about = dict.fromkeys(name for row in listed for name in row.object_classes)
        senders = dict.fromkeys(sender for row in listed for sender in row.senders)
        rows.append(f"| `{activity}` | {_names(about)} | {', '.join(senders)} |")
    return "\n".join(rows)


def dialects() -> str:
    """Return the table of signature dialects that are read, and of what suits proofs have."""
    rows = ["| signatures | algorithms |", "|---|---|"]
    for name, module in (("draft-cavage-http-signatures-12", cavage), ("RFC 9421", messagesig)):
        rows.append(f"| {name} | {_names(module.ALGORITHMS)} |")
    return "\n".join([*rows, f"| object proofs | `{proof.SUITE}` |"])


def announced() -> str:
    """Return what our actors announce in `generator.implements`."""
    return "\n".join(f"- `{address}`: {name}" for address, name in IMPLEMENTS.items())


def met_by_peers() -> str:
    """Return the table of limits that a peer meets."""
    rows = ["| limit | value |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{n}` | {value_of(getattr(limits, n))} |" for n in MET_BY_PEERS)])


def problem_codes() -> str:
    """Return the table of problem codes with their statuses, as the vocabulary has them."""
    rows = ["| status | codes |", "|---|---|"]
    codes: dict[int, list[str]] = {}
    for code, problem in PROBLEMS.items():
        codes.setdefault(problem.status, []).append(code)
    return "\n".join([*rows, *(f"| {status} | {_names(found)} |" for status, found in sorted(codes.items()))])


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# -- pages --------------------------------------------------------------------------------------------------

PAGES: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "cli.md": {"help": lambda: helps("en")},
    "cli.fr.md": {"help": lambda: helps("fr")},
    "peers.md": {"states": lambda: peer_states("en"), "états": lambda: peer_states("fr")},
    "settings.md": {"settings": settings, "refused": refused_in_production},
    "limits.md": {"limits": limit_tables},
    "protocol.md": {"problems": problem_codes},
    "../FEDERATION.md": {
        "taken in": taken_in,
        "dialects": dialects,
        "announced": announced,
        "limits": met_by_peers,
    },
}
"""Page to its generated parts."""


def generated(page: str) -> str:
    """Return the whole text of `page` with its generated parts as the program has them now."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name, make in PAGES[page].items():
        part = re.compile(rf"(<!-- generated: {name} -->)(.*?)(<!-- end -->)", re.S)
        if len(part.findall(text)) != 1:
            raise SystemExit(f"docs/{page}: there must be one part {name!r}")
        inline = "\n" not in (part.search(text) or [""])[0]
        between = make() if inline else f"\n{make()}\n"
        text = part.sub(lambda match, between=between: match[1] + between + match[3], text)  # type: ignore[misc]
    return text


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` compare them."""
    if arguments == ["--helps"]:
        print_helps()
        return 0
    wrong = 0
    for page in PAGES:
        file = ROOT / "docs" / page
        text = generated(page)
        if file.read_text(encoding="utf-8") == text:
            continue
        wrong += 1
        if "--check" in arguments:
            sys.stdout.write(f"docs/{page} is not what the program says; run: python docs/generate.py\n")
        else:
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"docs/{page} written\n")
    return 1 if wrong and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
