"""The vocabulary, found by what it is about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fedcoop.errors import Misconfigured
from fedcoop.protocol.model import NAMESPACE, PUBLIC_CONTEXT_PATHS
from fedcoop.web.published import Published
from tests.web.conftest import BASE


@pytest.mark.parametrize("path", PUBLIC_CONTEXT_PATHS.values())
def test_a_missing_context_stops_the_start(vocabulary: Mapping[str, bytes], path: str):
    with pytest.raises(Misconfigured, match=path):
        Published({name: body for name, body in vocabulary.items() if name != path})


def test_a_file_is_found_by_its_path(vocabulary: Mapping[str, bytes]):
    published = Published({**vocabulary, "terms/Mission.md": b"# Mission"})
    assert published.file("terms/Mission.md") == b"# Mission"
    assert published.file("terms/Nothing.md") is None
    assert published.context("/contexts/other") is None


def test_an_alias_of_type_has_an_iri_of_its_own(vocabulary: Mapping[str, bytes]):
    term = Published(vocabulary).term("fedcoopType")
    assert term is not None
    assert term.iri == f"{NAMESPACE}fedcoopType"


def test_a_property_says_on_what_it_is_used(vocabulary: Mapping[str, bytes]):
    published = Published(vocabulary)
    term = published.term("missions")
    assert term is not None
    described = published.linked_data(term, base=BASE)
    assert described["schema:domainIncludes"] == [{"@id": f"{NAMESPACE}Cooperative"}]


def test_a_list_names_its_codes_in_both_languages(vocabulary: Mapping[str, bytes]):
    published = Published(vocabulary)
    term = published.term("MissionState")
    assert term is not None
    codes = published.linked_data(term, base=BASE)["skos:hasTopConcept"]
    labels = {
        c["skos:notation"]: {one["@language"]: one["@value"] for one in c["skos:prefLabel"]} for c in codes
    }
    assert labels["settled"] == {"fr": "réglée", "en": "settled"}
