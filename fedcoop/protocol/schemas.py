"""Does a document obey the JSON Schema of its class? The schemas are the vocabulary's, out of `model.py`.

Compiled when first asked for. Nothing is fetched for a `$ref` (P17), formats are checked (P18), and what the
sender wrote is not repeated in the message, which may be shown to somebody else.
"""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import Any, Final, NoReturn

import jsonschema_rs

from fedcoop.errors import Invalid
from fedcoop.protocol.messages import Document
from fedcoop.protocol.model import SCHEMAS

MAX_ERRORS: Final = 3
"""Errors named in one refusal: enough to mend a document by, few enough to read."""


def has_schema(class_name: str) -> bool:
    """Tell whether the vocabulary has a schema for `class_name`, a class or an activity type."""
    return class_name in SCHEMAS


def check(document: Document, class_name: str) -> None:
    """Return when `document` obeys the schema of `class_name`; a class without a schema allows everything.

    Raises:
        Invalid: it does not (`schema-invalid`); `extra["errors"]` has up to three `{"path", "message"}`.
    """
    if class_name not in SCHEMAS:
        return
    found = list(islice(_validator(class_name).iter_errors(_plain(document)), MAX_ERRORS))
    if found:
        errors = [{"path": _pointer(error.instance_path), "message": error.message[:300]} for error in found]
        raise Invalid(
            "schema-invalid",
            f"{class_name}: {errors[0]['path'] or '/'}: {errors[0]['message']}",
            expected=f"the schema of {class_name}",
            extra={"errors": errors},
        )


@cache
def _validator(class_name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(
        SCHEMAS[class_name], validate_formats=True, retriever=_deny, mask="this value"
    )


def _deny(uri: str) -> NoReturn:
    raise LookupError(f"schemas are complete in themselves; {uri} is not fetched")


def _plain(document: Document) -> dict[str, Any]:
    return document if isinstance(document, dict) else dict(document)


def _pointer(path: list[str | int]) -> str:
    """Return an RFC 6901 pointer to the value at fault."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1")[:100] for step in path)
