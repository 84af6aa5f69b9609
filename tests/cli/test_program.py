"""The program as a whole: help, languages, wrong usage."""

from __future__ import annotations

import time

import pytest

from tests.cli.conftest import Run

VERBS = (
    "init",
    "serve",
    "member",
    "peer",
    "follow",
    "mission",
    "import",
    "history",
    "verify",
    "lookup",
    "doctor",
    "demo",
)


def test_the_help_names_every_verb_and_is_fast(run: Run) -> None:
    began = time.process_time()
    done = run("--help")
    assert done.status == 0
    assert all(f"  {verb}" in done.out for verb in VERBS)
    assert time.process_time() - began < 1.0
    loaded = run("--help", environment={"PYTHONPROFILEIMPORTTIME": "1"}).err
    assert not [
        heavy for heavy in ("aiohttp", "sqlalchemy", "cryptography", "rich") if f" {heavy}\n" in loaded
    ]


def test_the_help_is_french_where_the_environment_is(run: Run) -> None:
    done = run("init", "--help", environment={"LC_ALL": "fr_FR.UTF-8"})
    assert done.status == 0
    assert "Fonde une nouvelle instance" in done.out
    assert "Usage : " in done.out
    assert "Options :" in done.out
    assert "Affiche cette aide" in done.out
    assert "Show this message" not in done.out


def test_the_language_option_may_stand_after_the_verb(run: Run) -> None:
    done = run("peer", "--help", "--lang", "fr")
    assert done.status == 0
    assert "liste d’admission" in done.out


@pytest.mark.parametrize(
    ("arguments", "english", "french"),
    [
        (("fly",), "No such command 'fly'", "Commande inconnue"),
        (("init",), "Missing argument 'DIR'", "Il manque 'DIR'"),
        (("init", "x", "--colour", "red"), "No such option: --colour", "Option inconnue : --colour"),
        (("serve", "x", "--port", "seventy"), "Invalid value for '--port'", "Valeur refusée pour '--port'"),
        (("verify", "x.json", "--head", "d@two"), "--head is DIGEST", "--head vaut"),
        (("demo", "--ports", "1,1,2"), "three different ports", "trois ports différents"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_how_it_is_used(
    run: Run, arguments: tuple[str, ...], english: str, french: str
) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert english in done.err
    assert done.out == ""
    assert french in run(*arguments, environment={"FEDCOOP_LANG": "fr"}).err


def test_wrong_usage_is_json_when_json_is_asked_for(run: Run) -> None:
    done = run("peer", "allow", "x", "--json")
    assert done.status == 2
    assert done.json["ok"] is False
    assert done.json["error"]["code"] == "usage"
    assert "fedcoop peer allow --help" in done.json["error"]["next"]


def test_a_language_that_we_do_not_speak_is_wrong_usage(run: Run) -> None:
    assert run("--lang", "xx", "peer", "list", "x").status == 2


def test_the_version_is_printed(run: Run) -> None:
    done = run("--version")
    assert done.status == 0
    assert done.out.startswith("fedcoop ")
