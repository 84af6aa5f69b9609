"""`sut.toml`: what it may say, and that what is wrong in it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedcoop_conformance.sut import BadSut, load, parse

LEAST: dict[str, Any] = {
    "schema": "fedcoop-sut/1",
    "profiles": ["core@1.0"],
    "software": {"name": "tumulus", "version": "2.3.1"},
    "driver": {"kind": "c2s"},
}


def test_the_least_that_can_be_said_is_enough():
    found = parse(LEAST, {}, folder=Path())
    assert (found.profiles, found.base, found.driver.kind, found.limits.body) == (
        ("core@1.0",),
        "",
        "c2s",
        1_048_576,
    )


def test_actors_have_the_usual_addresses_unless_told():
    found = parse(
        LEAST | {"actors": {"member": {"id": "https://a.example/u/m", "outbox": "https://a.example/o"}}},
        {},
        folder=Path(),
    )
    [actor] = found.actors
    assert (actor.role, actor.inbox, actor.outbox) == (
        "member",
        "https://a.example/u/m/inbox",
        "https://a.example/o",
    )


def test_a_secret_stands_in_the_environment_and_not_in_the_file():
    said = LEAST | {"driver": {"kind": "hook", "url": "http://127.0.0.1:1/", "token": "${CT_TOKEN}"}}
    assert parse(said, {"CT_TOKEN": "s3cret"}, folder=Path()).driver.token == "s3cret"
    with pytest.raises(BadSut, match="export CT_TOKEN"):
        parse(said, {}, folder=Path())


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"schema": "fedcoop-sut/2"}, "schema"),
        ({"profiles": []}, "profiles"),
        ({"profiles": ["core"]}, "profiles"),
        ({"software": {"name": "x"}}, "software"),
        ({"driver": {"kind": "telepathy"}}, "driver"),
        ({"driver": {"kind": "stdio"}}, "driver"),
        ({"driver": {"kind": "hook"}}, "driver"),
        ({"sut": {"base": "https://a.example/path"}}, "base"),
        ({"sut": {"limits": {"body": 1}}}, "body"),
        ({"status_codes": {"FC-SIG-004": 202}}, "status_codes"),
        ({"peer": {"ports": [0]}}, "ports"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], where: str):
    with pytest.raises(BadSut, match=where):
        parse(LEAST | changed, {}, folder=Path())


@pytest.mark.parametrize("text", ["schema = ", "\x00", "profiles = 3\n"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, text: str):
    (tmp_path / "sut.toml").write_text(text)
    with pytest.raises(BadSut):
        load(tmp_path / "sut.toml", {})
    with pytest.raises(BadSut, match=r"none\.toml"):
        load(tmp_path / "none.toml", {})
