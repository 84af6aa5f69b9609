"""`report.json`: the report that is signed, compared and recomputed. Its bytes are canonical JSON (RFC 8785)."""

from __future__ import annotations

import json
from typing import Any

import jsonschema

from fedcoop_conformance import data
from fedcoop_conformance.crypto import jcs
from fedcoop_conformance.report.model import Report, from_json
from fedcoop_conformance.verdict import ReportInvalid


def write(report: Report) -> bytes:
    """Return the canonical bytes of a report."""
    return jcs.canonical(report.to_json())


def read(content: bytes) -> Report:
    """Return the report that these bytes stand for. Whether its claims follow is for `verdict.recompute` to say.

    Raises:
        ReportInvalid: `no-footer`, or `schema` with the place where it is not a report.
    """
    return from_json(read_json(content))


def read_json(content: bytes) -> dict[str, Any]:
    """Return the JSON of a report, held against the schema.

    Raises:
        ReportInvalid: as `read`.
    """
    try:
        return _held(jcs.parse(content))
    except jcs.NotIJson as error:
        raise ReportInvalid("schema", str(error)) from error
    except RecursionError as error:
        raise ReportInvalid("schema", "nested too deeply") from error


def _held(said: Any) -> dict[str, Any]:
    """Return what holds to the schema of a report."""
    if isinstance(said, dict) and "header" in said and said.get("footer") is None:
        raise ReportInvalid("no-footer", "the run did not end")
    # A schema takes 1.0 for an integer. A report has no such number: other readers may round it.
    if has_float(said):
        raise ReportInvalid("schema", "a number with a fraction or an exponent")
    schema = json.loads((data.folder("schemas") / "report.json").read_bytes())
    checker = jsonschema.Draft202012Validator(schema)
    fault = jsonschema.exceptions.best_match(checker.iter_errors(said))
    if fault is not None:
        raise ReportInvalid("schema", f"{fault.json_path}: {fault.message[:200]}")
    return said  # type: ignore[no-any-return]


def has_float(value: object) -> bool:
    """Return whether a number with a fraction or an exponent stands anywhere in JSON."""
    if isinstance(value, dict):
        return any(has_float(one) for one in value.values())
    if isinstance(value, list):
        return any(has_float(one) for one in value)
    return isinstance(value, float)
