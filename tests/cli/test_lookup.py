"""`fedcoop lookup`: the stored copy, never fetched."""

from __future__ import annotations

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Run


def test_lookup_shows_what_is_stored_and_nothing_else(
    run: Run, instance: LocalInstance, published: str
) -> None:
    assert run("lookup", published, "--stored", instance.folder, "--json").json["id"] == published
    absent = run("lookup", "https://elsewhere.example/x", "--stored", instance.folder, "--json")
    assert absent.status == 1
    assert absent.json["error"]["code"] == "not-found"
    own = run("lookup", published, "--stored", instance.folder, "--provenance", "--json")
    assert own.json["fedcoopProvenance"] == []
    assert run("lookup", published, "--provenance").status == 2
    # Its own server is not running.
    assert run("lookup", published).status == 1
