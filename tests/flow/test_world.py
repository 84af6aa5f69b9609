"""Who an instance is, and what lives on it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fedcoop.flow.world import Instance
from fedcoop.protocol.limits import SIGNATURE_WINDOW

LYON = Instance(
    base="https://lyon.example",
    name="Lyon",
    default_language="fr",
    allow_origins=frozenset(),
    window=SIGNATURE_WINDOW,
    first_retry=timedelta(seconds=6),
    communes={},
    rome_labels={},
)


def test_an_instance_names_its_actors():
    assert LYON.coop == "https://lyon.example/actors/coop"
    assert LYON.application == "https://lyon.example/actor"
    assert LYON.members == "https://lyon.example/actors/coop/members"


@pytest.mark.parametrize(
    ("iri", "hosted"),
    [
        ("https://lyon.example", True),
        ("https://lyon.example/", True),
        ("https://lyon.example/actors/coop#main-key", True),
        ("https://lyon.example.evil.example/actors/coop", False),
        ("https://lyon.example@evil.example/", False),
        ("http://lyon.example/actors/coop", False),
        ("https://nantes.example/https://lyon.example/", False),
    ],
)
def test_what_lives_here_begins_with_our_origin(iri: str, hosted: bool):
    assert LYON.hosts(iri) is hosted
