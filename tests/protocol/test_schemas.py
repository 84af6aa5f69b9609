import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from fedcoop.errors import Invalid
from fedcoop.protocol import schemas
from fedcoop.protocol.model import CLASSES, SCHEMAS
from fedcoop.protocol.shape import class_of


def an_amount(**changes: Any) -> dict[str, Any]:
    amount = {"type": "MonetaryAmount", "value": "169.40", "currency": "EUR", **changes}
    return {name: value for name, value in amount.items() if value is not None}


def test_a_document_that_obeys_its_schema_passes():
    schemas.check(an_amount(), "MonetaryAmount")


@pytest.mark.parametrize("changes", [{"value": 169.4}, {"value": "1e3"}, {"value": None}, {"currency": None}])
def test_a_document_against_its_schema_is_refused_with_the_place_at_fault(changes: dict[str, Any]):
    with pytest.raises(Invalid) as refusal:
        schemas.check(an_amount(**changes), "MonetaryAmount")
    assert refusal.value.code == "schema-invalid"
    errors = refusal.value.extra["errors"]
    assert errors
    assert set(errors[0]) == {"path", "message"}
    (name,) = changes
    assert name in errors[0]["path"] + errors[0]["message"]


def test_a_refusal_names_three_errors_at_most():
    with pytest.raises(Invalid) as refusal:
        schemas.check({"type": "Note", "fedcoopType": ["Proposal", "Mission"]}, "Mission")
    assert len(refusal.value.extra["errors"]) == schemas.MAX_ERRORS


def test_a_refusal_does_not_repeat_what_was_sent():
    with pytest.raises(Invalid) as refusal:
        schemas.check(an_amount(value="s3cr3t" * 1000), "MonetaryAmount")
    assert "s3cr3t" not in str(refusal.value) + str(refusal.value.extra)
    assert len(refusal.value.detail) < 500


def test_a_path_is_a_json_pointer():
    with pytest.raises(Invalid) as refusal:
        schemas.check({"type": "Create", "to": [1]}, "Create")
    paths = [error["path"] for error in refusal.value.extra["errors"]]
    assert any(path.startswith("/to") or path == "" for path in paths)
    assert schemas._pointer(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"


def test_a_class_without_a_schema_allows_everything():
    assert not schemas.has_schema("Note")
    schemas.check({"anything": "goes"}, "Note")
    schemas.check({}, "")


def test_any_mapping_is_checked():
    from types import MappingProxyType

    schemas.check(MappingProxyType(an_amount()), "MonetaryAmount")
    with pytest.raises(Invalid):
        schemas.check(MappingProxyType({}), "MonetaryAmount")


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_compiles_and_fetches_nothing(name: str):
    assert schemas.has_schema(name)
    assert schemas._validator(name) is schemas._validator(name)


def test_a_reference_to_somewhere_else_is_not_fetched():
    with pytest.raises(Exception, match="not fetched"):
        jsonschema_rs.validator_for({"$ref": "https://example.org/schema.json"}, retriever=schemas._deny)


def test_the_examples_of_the_vocabulary_obey_their_schemas():
    folder = Path(__file__).resolve().parents[2] / "vocab" / "examples"
    checked = 0
    for example in sorted(folder.rglob("*.json")):
        document = json.loads(example.read_text(encoding="utf-8"))
        name = class_of(document)
        if "_fail" in example.stem or "invalid" in str(example) or name not in CLASSES:
            continue
        schemas.check(document, name)
        checked += 1
    assert checked > 0
