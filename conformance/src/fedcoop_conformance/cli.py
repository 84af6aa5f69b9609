"""`fedcoop-conformance`: the commands. Each says what comes next, and its exit status is the verdict.

0 every requested profile is conformant · 1 one is not · 2 wrong usage or configuration · 3 incomplete, or the suite
itself failed · 4 the self-test failed.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import secrets
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer

from fedcoop_conformance import __version__, beginning, catalogue, running, vectors
from fedcoop_conformance.cases import plays
from fedcoop_conformance.catalogue import NoSuchTest, Test
from fedcoop_conformance.driver.base import Declined, DriverFault
from fedcoop_conformance.report.describe import describe
from fedcoop_conformance.speech import say
from fedcoop_conformance.sut import BadSut, Sut, load

WRONGLY_USED: Final = 2
SELFTEST_FAILED: Final = 4

app = typer.Typer(
    name="fedcoop-conformance",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help=say(
        "Test any server of the fedcoop protocol from outside. `run --demo` shows a run without a server.",
        "Teste de l’extérieur tout serveur du protocole fedcoop. `run --demo` montre un essai sans serveur.",
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)

SutFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[SUT.TOML]",
        help=say("The server under test; see `init`.", "Le serveur à tester ; voir `init`."),
    ),
]
Demo = Annotated[
    str | None,
    typer.Option(
        "--demo",
        metavar="[FAULT]",
        help=say(
            "Test the model server instead; with --demo=no-digest, one that breaks this rule.",
            "Teste le serveur modèle ; avec --demo=no-digest, un serveur qui enfreint cette règle.",
        ),
    ),
]
Profiles = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        help=say(
            "A profile (repeatable); those of SUT.TOML otherwise.",
            "Un profil (répétable) ; sinon ceux de SUT.TOML.",
        ),
    ),
]
Tests = Annotated[
    list[str] | None,
    typer.Option(
        "--test",
        "-t",
        help=say(
            "A test or pattern such as FC-SIG-* (repeatable).",
            "Un test ou un motif comme FC-SIG-* (répétable).",
        ),
    ),
]
Seed = Annotated[
    str | None,
    typer.Option(
        "--seed",
        help=say("Play a run again: 16 hexadecimal digits.", "Rejoue un essai : 16 chiffres hexadécimaux."),
    ),
]
Scale = Annotated[
    float,
    typer.Option(
        "--timeout-scale",
        min=0.1,
        max=100,
        help=say("Wait so many times longer.", "Attend autant de fois plus longtemps."),
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help=say("Answer in JSON.", "Répond en JSON."))]
Language = Annotated[str | None, typer.Option("--lang", metavar="fr|en", help=say("Language.", "Langue."))]


@app.callback()
def root(
    lang: Language = None,
    version: Annotated[
        bool, typer.Option("--version", help=say("Print the version.", "Affiche la version."))
    ] = False,
) -> None:
    """Read what is said before the command; `--lang` was read when the help texts were made."""
    if version:
        print(f"fedcoop-conformance {__version__} · catalogue {catalogue.load().digest}")
        raise typer.Exit


# -- before a run -----------------------------------------------------------------------------------------------------


@app.command(
    help=say(
        "Write a first sut.toml, from three answers.",
        "Écrit un premier sut.toml, à partir de trois réponses.",
    )
)
def init(
    actor: Annotated[
        str,
        typer.Option(
            prompt=say("Id of an actor of your server", "Identifiant d’un acteur de votre serveur"),
            help=say("An actor's id.", "L’identifiant d’un acteur."),
        ),
    ],
    driver: Annotated[
        str,
        typer.Option(
            prompt=say(
                "How is it made to act (c2s, stdio, hook)", "Comment le fait-on agir (c2s, stdio, hook)"
            ),
            help=say(
                "c2s with tokens, a command (stdio), or an address (hook).",
                "c2s avec jetons, une commande (stdio) ou une adresse (hook).",
            ),
        ),
    ] = "c2s",
    profile: Annotated[
        str,
        typer.Option(
            prompt=say("Profiles, with commas", "Profils, séparés par des virgules"),
            help=say("Profiles, with commas.", "Profils, séparés par des virgules."),
        ),
    ] = "signature",
    file: Annotated[Path, typer.Option("--file", help=say("Where.", "Où."))] = Path("sut.toml"),
) -> None:
    """Write the file, never over another one."""
    whole = catalogue.load()
    try:
        text = beginning.written(actor, driver, [whole.profile(one.strip()).id for one in profile.split(",")])
        with file.open("x", encoding="utf-8") as new:
            new.write(text)
    except (beginning.NotAnAddress, OSError) as fault:
        _end(WRONGLY_USED, f"{file}: {fault}")
    print(
        say(
            f"{file} written. Let your server admit http://127.0.0.1:41001 … 41005 and fetch from 41001 … 41006; then:",
            f"{file} écrit. Admettez http://127.0.0.1:41001 … 41005 comme pairs, laissez lire 41001 … 41006 ; puis :",
        )
    )
    print(f"fedcoop-conformance doctor {file}")


@app.command(
    help=say(
        "Check the configuration, in both directions, before any test.",
        "Vérifie la configuration, dans les deux sens, avant tout test.",
    )
)
def doctor(
    sut: SutFile = None, demo: Demo = None, profile: Profiles = None, seed: Seed = None, scale: Scale = 1.0
) -> None:
    """Print what is right and wrong with the configuration; exit 2 where no test could be played."""
    setting = _setting(sut, demo, profile, None, seed, scale)
    findings = _asyncio(running.examined(setting, tell=print))
    if any(one.state == "FAIL" for one in findings):
        _end(
            WRONGLY_USED,
            say(
                "not ready: no test would mean anything yet", "pas prêt : aucun test n’aurait encore de sens"
            ),
        )
    again = sut or "--demo"
    print(say(f"ready: fedcoop-conformance run {again}", f"prêt : fedcoop-conformance run {again}"))


@app.command(
    help=say(
        "Play the tests; write the reports; the exit status is the verdict.",
        "Joue les tests, écrit les rapports ; le code de sortie est le verdict.",
    )
)
def run(
    sut: SutFile = None,
    demo: Demo = None,
    profile: Profiles = None,
    test: Tests = None,
    seed: Seed = None,
    jobs: Annotated[
        int, typer.Option("--jobs", min=1, max=32, help=say("Tests at a time.", "Tests à la fois."))
    ] = 1,
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat",
            min=1,
            max=1000,
            help=say(
                "Play so many times; mixed results prove nothing.",
                "Rejoue autant de fois ; des résultats mêlés ne prouvent rien.",
            ),
        ),
    ] = 1,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", help=say("Stop at the first failure.", "S’arrête au premier échec.")),
    ] = False,
    gate: Annotated[
        Path | None,
        typer.Option(
            "--gate",
            help=say(
                "JSON list of failures that are known: changes the exit status alone.",
                "Liste JSON d’échecs connus : ne change que le code de sortie.",
            ),
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help=say("Folder of the reports.", "Dossier des rapports."))
    ] = Path("out"),
    scale: Scale = 1.0,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help=say("A line for every test.", "Une ligne par test."))
    ] = False,
) -> None:
    """Examine, play, report."""
    setting = _setting(sut, demo, profile, test, seed, scale)
    known = _known(gate)
    _end(
        _asyncio(
            running.run(
                setting,
                out=out,
                tell=print,
                jobs=jobs,
                repeat=repeat,
                fail_fast=fail_fast,
                known=known,
                verbose=verbose,
            )
        )
    )


# -- the catalogue ----------------------------------------------------------------------------------------------------


@app.command("list", help=say("List the tests.", "Liste les tests."))
def list_(profile: Profiles = None, as_json: AsJson = False) -> None:
    """Print id, level, status, what is needed, and title of each test."""
    whole = catalogue.load()
    chosen = whole.of_profiles(profile) if profile else sorted(whole.tests.values(), key=lambda one: one.id)
    if as_json:
        print(json.dumps([one.entry for one in chosen], ensure_ascii=False))
        return
    for one in chosen:
        needs = ", ".join([*one.needs, *([f"feature {one.feature}"] if one.feature else [])])
        title = one.title[say("en", "fr")]
        print(f"{one.id}  {one.level:<6} {one.status:<9} {title}{f'  [{needs}]' if needs else ''}")
    print(
        say(
            f"{len(chosen)} tests; `show {chosen[0].id}` tells one whole",
            f"{len(chosen)} tests ; `show {chosen[0].id}` en raconte un",
        )
    )


@app.command(
    help=say(
        "Tell a test: requirement, steps, expectation, mutants, where its code is.",
        "Raconte un test : exigence, étapes, attente, mutants, et où est son code.",
    )
)
def show(name: Annotated[str, typer.Argument(metavar="FC-SIG-004")], as_json: AsJson = False) -> None:
    """Print one test."""
    whole = catalogue.load()
    [found, *_] = whole.matching([name])
    print(
        json.dumps(found.entry, ensure_ascii=False)
        if as_json
        else describe(found, whole, source=_source(found))
    )


@app.command(
    help=say("Test the tests: each must kill its mutants.", "Teste les tests : chacun doit tuer ses mutants.")
)
def selftest_(
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help=say(
                "All gates, with load and repeats.", "Toutes les barrières, avec charge et répétitions."
            ),
        ),
    ] = False,
    profile: Profiles = None,
    as_json: AsJson = False,
) -> None:
    """Play the gates; exit 4 where one does not hold."""
    faults = _asyncio(
        running.selftested(
            full=full,
            profiles=[name.partition("@")[0] for name in profile or ()],
            tell=_nothing if as_json else print,
        )
    )
    if as_json:
        print(json.dumps([{"gate": one.gate, "what": one.what, "why": one.why} for one in faults]))
    for one in () if as_json else faults:
        print(f"FAILED {one}")
    if not as_json:
        print(say(f"selftest: {len(faults)} faults", f"selftest : {len(faults)} défauts"))
    _end(SELFTEST_FAILED if faults else 0)


app.registered_commands[-1].name = "selftest"


@app.command(
    help=say(
        "Check requirements against tests and mutants; with --spec, against the protocol's text.",
        "Compare exigences, tests et mutants ; avec --spec, le texte du protocole.",
    )
)
def coverage(
    spec: Annotated[
        Path | None, typer.Option("--spec", help=say("docs/protocol.md", "docs/protocol.md"))
    ] = None,
) -> None:
    """Print what is not covered; exit 4 where something is."""
    faults = running.uncovered(catalogue.load(), plays(), spec)
    for fault in faults:
        print(fault)
    print(say(f"coverage: {len(faults)} faults", f"coverage : {len(faults)} défauts"))
    _end(SELFTEST_FAILED if faults else 0)


# -- vectors ----------------------------------------------------------------------------------------------------------

vectors_app = typer.Typer(
    no_args_is_help=True,
    help=say("The static vectors, for any language.", "Les vecteurs statiques, pour tout langage."),
)
app.add_typer(vectors_app, name="vectors")


@vectors_app.command(
    help=say(
        "Copy the vectors into a folder; see its README.md.",
        "Copie les vecteurs dans un dossier ; voir son README.md.",
    )
)
def export(
    out: Annotated[
        Path, typer.Option("--out", help=say("A new or empty folder.", "Un dossier neuf ou vide."))
    ],
) -> None:
    """Copy the data, so that no program of ours is needed to use it."""
    written = vectors.export(out)
    print(say(f"{len(written)} files in {out}", f"{len(written)} fichiers dans {out}"))


@vectors_app.command(
    help=say(
        "Ask a program every vector, by lines of JSON.",
        "Pose chaque vecteur à un programme, par lignes JSON.",
    )
)
def check(
    command: Annotated[
        str,
        typer.Option("--exec", help=say("The program and its arguments.", "Le programme et ses arguments.")),
    ],
    as_json: AsJson = False,
) -> None:
    """Print what became of each test; exit 0, 1 where one failed, 3 where one was not answered."""
    try:
        found = vectors.check(shlex.split(command))
    except (OSError, ValueError) as fault:
        _end(WRONGLY_USED, f"--exec {command}: {fault}")
    if as_json:
        print(
            json.dumps(
                [
                    {"test": one.test, "outcome": one.outcome, "code": one.code, "reason": one.reason}
                    for one in found
                ]
            )
        )
    else:
        for one in found:
            print(f"{one.outcome:<9} {one.test}  {one.code or ''}  {one.reason or ''}".rstrip())
    failed = sum(one.outcome == "failed" for one in found)
    open_ = sum(one.outcome not in {"failed", "passed"} for one in found)
    if not as_json:
        print(f"conformance: {len(found) - failed - open_} passed, {failed} failed, {open_} skipped")
    _end(1 if failed else 3 if open_ else 0)


# -- inside -----------------------------------------------------------------------------------------------------------


def _setting(
    sut: Path | None,
    demo: str | None,
    profiles: Sequence[str] | None,
    tests: Sequence[str] | None,
    seed: str | None,
    scale: float,
) -> running.Setting:
    """Return what is to be played against what; ends the program with 2 where that cannot be said."""
    if (sut is None) == (demo is None):
        _end(
            WRONGLY_USED,
            say(
                "Say what to test: a sut.toml (`fedcoop-conformance init` writes one), or --demo.",
                "Dites quoi tester : un sut.toml (`fedcoop-conformance init` en écrit un), ou --demo.",
            ),
        )
    if seed is not None and (len(seed) != 16 or set(seed) - set("0123456789abcdef")):
        _end(
            WRONGLY_USED,
            say(
                f"--seed {seed}: 16 hexadecimal digits are meant.",
                f"--seed {seed} : 16 chiffres hexadécimaux sont attendus.",
            ),
        )
    whole = catalogue.load()
    said: Sut | None = load(sut) if sut else None
    wanted = [whole.profile(name).id for name in profiles or (said.profiles if said else whole.profiles)]
    chosen = whole.of_profiles(wanted)
    if tests:
        named = {one.id for one in whole.matching(tests)}
        chosen = [one for one in chosen if one.id in named] or whole.matching(tests)
    faults = frozenset(filter(None, (demo or "").split(",")))
    unknown = faults - {kill.mutant for one in whole.tests.values() for kill in one.kills}
    if unknown:
        _end(
            WRONGLY_USED,
            say(
                f"There is no fault {', '.join(unknown)}; `list --json` names them.",
                f"Il n’y a pas de défaut {', '.join(unknown)} ; `list --json` les nomme.",
            ),
        )
    return running.Setting(
        catalogue=whole,
        profiles=tuple(wanted),
        tests=tuple(chosen),
        selected=tuple(tests) if tests else None,
        seed=seed or secrets.token_hex(8),
        scale=scale,
        sut=said,
        faults=faults,
        again=str(sut) if sut else ("--demo=" + demo if demo else "--demo"),
    )


def _nothing(_: str) -> None:
    """Tell nobody."""


def _known(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        _end(WRONGLY_USED, f"--gate {path}: {fault}")
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        _end(
            WRONGLY_USED,
            say(
                f'--gate {path}: a list such as ["FC-SIG-004"] is meant.',
                f'--gate {path} : une liste comme ["FC-SIG-004"] est attendue.',
            ),
        )
    return found


def _source(test: Test) -> str | None:
    known = plays().get(test.id)
    if known is None:
        return None
    code = inspect.unwrap(known[1]).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def _asyncio(work: Any) -> Any:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        _end(
            running.INTERRUPTED,
            say("interrupted: nothing can be concluded", "interrompu : rien ne peut être conclu"),
        )


def _end(status: int, message: str = "") -> NoReturn:
    if message:
        print(message, file=sys.stderr)
    raise typer.Exit(status)


def main() -> None:
    """Run the program. What people got wrong is told in one line, with status 2."""
    # `--demo` alone is a flag, `--demo=no-digest` has a value; the framework knows options of one kind or the other.
    arguments = ["--demo=" if word == "--demo" else word for word in sys.argv[1:]]
    try:
        app(args=arguments)
    except (BadSut, NoSuchTest, Declined, DriverFault) as fault:
        print(f"fedcoop-conformance: {fault}", file=sys.stderr)
        raise SystemExit(WRONGLY_USED) from fault
