"""The register is the document's, sentence by sentence, and whatever parts the two is found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedcoop_conformance import data, register

ROOT = Path(__file__).resolve().parents[2]

WHOLE = """\
# A protocol

What **MUST** means is in BCP 14.

- <a id="sig-01"></a>**sig/01** A receiver MUST take a request
  that is signed. *(RFC 9421 §3.2, RFC 9530 §2)*
- <a id="sig-02"></a>**sig/02** A receiver SHOULD answer soon. *(AP §7)*

Prose between them.

- <a id="c2s-01"></a>**c2s/01** A server MAY wait.
"""


def read(text: str) -> register.Document:
    return register.read_document(text)


def registered(text: str = WHOLE) -> list[dict[str, Any]]:
    return register.updated(read(text), [])


def differences(text: str, entries: list[dict[str, Any]] | None = None) -> list[str]:
    return register.differences(read(text), registered() if entries is None else entries)


# -- the document ---------------------------------------------------------------------------------------------


def test_a_numbered_sentence_is_read_with_its_level_and_its_sources():
    first, second, third = read(WHOLE).sentences
    assert (first.id, first.anchor, first.level) == ("fcr:sig/01", "#sig-01", "MUST")
    assert first.text == "A receiver MUST take a request that is signed."
    assert first.upstream == ("RFC 9421 §3.2", "RFC 9530 §2")
    assert (second.level, third.level, third.upstream) == ("SHOULD", "MAY", ())


def test_a_sentence_broken_into_other_lines_is_the_same_sentence():
    joined = WHOLE.replace("request\n  that", "request that")
    assert joined != WHOLE
    assert differences(joined) == []


@pytest.mark.parametrize("keyword", ["MUST", "MUST NOT", "SHOULD", "MAY", "SHALL", "REQUIRED", "OPTIONAL"])
def test_a_keyword_in_the_prose_is_found(keyword: str):
    text = WHOLE.replace("Prose between them.", f"A peer {keyword} do this.")
    assert differences(text) == [f"{keyword} outside of a numbered sentence: 'A peer {keyword} do this.'"]


def test_a_keyword_in_a_table_is_found():
    assert differences(WHOLE + "\n| it MUST |\n") == ["MUST outside of a numbered sentence: '| it MUST |'"]


def test_keywords_in_an_example_are_no_requirements():
    assert differences(WHOLE + "\n```json\nMUST\n\nMUST\n```\n") == []


def test_a_requirement_without_a_level_is_found():
    (found,) = differences(WHOLE.replace("A server MAY wait.", "A server waits."), registered()[:2])[:1]
    assert found == "fcr:c2s/01: a requirement says one of MUST, SHOULD and MAY: A server waits."


@pytest.mark.parametrize("two", ["A server MAY wait and MUST say so.", "A server SHALL wait."])
def test_a_requirement_of_two_levels_or_of_none_of_ours_is_found(two: str):
    assert any("one of MUST" in line for line in differences(WHOLE.replace("A server MAY wait.", two)))


def test_a_number_given_twice_is_found():
    assert "fcr:sig/01: this number is given 2 times" in differences(
        WHOLE.replace("sig-02", "sig-01").replace("sig/02", "sig/01")
    )


def test_a_gap_in_the_numbers_is_found():
    text = WHOLE.replace("sig-02", "sig-03").replace("sig/02", "sig/03")
    assert "fcr:sig/02: this number is missing" in differences(text)


def test_a_number_missing_at_the_beginning_is_a_gap():
    text = WHOLE.replace("c2s-01", "c2s-02").replace("c2s/01", "c2s/02")
    assert "fcr:c2s/01: this number is missing" in differences(text)


def test_a_sentence_that_was_withdrawn_keeps_its_number():
    text = WHOLE.replace("A receiver MUST take a request\n  that is signed.", "Withdrawn in 1.1.").replace(
        " *(RFC 9421 §3.2, RFC 9530 §2)*", ""
    )
    assert read(text).faults == ()
    assert differences(text, registered()[1:]) == []


def test_an_anchor_that_is_not_the_numbers_is_found():
    assert "fcr:sig/02: its anchor is 'sig-2'" in differences(WHOLE.replace('"sig-02"', '"sig-2"'))


@pytest.mark.parametrize(
    "spoilt", ['- <a id="sig-03">**sig/03** A server waits.', "**sig/03** A server waits."]
)
def test_what_only_looks_like_a_requirement_is_found(spoilt: str):
    assert any("looks like a requirement" in line for line in differences(f"{WHOLE}\n{spoilt}\n"))


# -- document and register ------------------------------------------------------------------------------------


def test_a_register_made_of_the_document_agrees_with_it():
    assert differences(WHOLE) == []


def test_a_sentence_that_is_not_registered_is_found():
    assert differences(WHOLE, registered()[1:]) == [
        "fcr:sig/01: not registered; look at it, then run with --update"
    ]


def test_a_registered_sentence_that_is_gone_is_found():
    without = WHOLE.replace('- <a id="c2s-01"></a>**c2s/01** A server MAY wait.\n', "")
    assert differences(without) == ["fcr:c2s/01: registered, and not in the document"]


def test_a_changed_word_calls_for_a_look_at_the_tests():
    assert differences(WHOLE.replace("that is signed", "that is not signed")) == [
        "fcr:sig/01: the sentence has changed; look at its tests again, then run with --update"
    ]


@pytest.mark.parametrize(
    ("member", "value"), [("level", "MUST"), ("text", "Other words."), ("upstream", []), ("anchor", "#x")]
)
def test_what_the_register_repeats_of_a_sentence_is_the_documents(member: str, value: Any):
    entries = registered()
    entries[1][member] = value
    assert differences(WHOLE, entries) == [f"fcr:sig/02: `{member}` is not the document's; run with --update"]


def test_an_entry_registered_twice_is_found():
    assert "fcr:sig/01: registered 2 times" in differences(WHOLE, [registered()[0], *registered()])


def test_an_update_keeps_what_people_have_written():
    entries = registered()
    entries[0] |= {"subject": "library", "testability": "manual", "notTestedReason": "It takes a year."}
    changed = WHOLE.replace("that is signed", "that is well signed")
    after = register.updated(read(changed), entries)
    assert after[0]["text"].endswith("well signed.")
    assert [after[0][m] for m in ("subject", "testability", "notTestedReason")] == [
        "library", "manual", "It takes a year.",
    ]  # fmt: skip


def test_an_update_forgets_no_requirement():
    gone = WHOLE.replace('- <a id="c2s-01"></a>**c2s/01** A server MAY wait.\n', "")
    assert [e["id"] for e in register.updated(read(gone), registered())] == [e["id"] for e in registered()]


def test_a_new_requirement_is_about_whom_its_sentence_begins_with():
    assert [e["subject"] for e in registered()] == ["receiver", "receiver", "server"]


# -- coverage -------------------------------------------------------------------------------------------------


def a_test(*names: str, status: str = "required") -> dict[str, Any]:
    return {"id": "FC-SIG-001", "status": status, "requirements": list(names)}


def test_a_must_without_a_test_and_without_a_reason_is_found():
    assert register.uncovered(registered(), []) == [
        "fcr:sig/01: a MUST without an active test and without a reason"
    ]


@pytest.mark.parametrize("status", ["candidate", "required"])
def test_an_active_test_covers_its_requirement(status: str):
    assert register.uncovered(registered(), [a_test("fcr:sig/01", status=status)]) == []


@pytest.mark.parametrize("status", ["draft", "disputed", "retired"])
def test_a_test_that_does_not_count_covers_nothing(status: str):
    assert len(register.uncovered(registered(), [a_test("fcr:sig/01", status=status)])) == 1


def test_a_stated_reason_stands_for_a_test():
    entries = registered()
    entries[0]["notTestedReason"] = "Only a power cut shows it."
    assert register.uncovered(entries, []) == []


def test_a_reason_beside_a_test_is_out_of_date():
    entries = registered()
    entries[0]["notTestedReason"] = "Nobody has written it yet."
    assert register.uncovered(entries, [a_test("fcr:sig/01")]) == [
        "fcr:sig/01: tested, and still said to be not tested: Nobody has written it yet."
    ]


def test_a_test_of_an_unknown_requirement_is_found():
    assert register.uncovered(registered(), [a_test("fcr:sig/01", "fcr:sig/99")]) == [
        "FC-SIG-001: names fcr:sig/99, which is not registered"
    ]


# -- the command ----------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    document = tmp_path / "protocol.md"
    document.write_text(WHOLE, encoding="utf-8")
    return document, tmp_path / "protocol.json"


def test_update_writes_a_register_that_agrees(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]):
    document, kept = files
    assert register.main([str(document), "--register", str(kept)]) == 1
    assert "not registered" in capsys.readouterr().out
    assert register.main([str(document), "--register", str(kept), "--update"]) == 0
    assert register.main([str(document), "--register", str(kept)]) == 0


def test_a_faulty_document_is_not_taken_over(files: tuple[Path, Path]):
    document, kept = files
    document.write_text(WHOLE + "\nIt MUST.\n", encoding="utf-8")
    assert register.main([str(document), "--register", str(kept), "--update"]) == 1
    assert not kept.exists()


def test_a_register_of_another_form_is_refused(files: tuple[Path, Path]):
    document, kept = files
    register.main([str(document), "--register", str(kept), "--update"])
    whole = json.loads(kept.read_text(encoding="utf-8"))
    whole["requirements"][0]["subject"] = "everybody"
    kept.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(ValueError, match=r"subject: 'everybody' is not one of"):
        register.read_register(kept)


# -- ours -----------------------------------------------------------------------------------------------------


def ours() -> list[dict[str, Any]]:
    return register.read_register(data.folder("catalogue") / register.REGISTER)


def test_our_register_is_our_protocols():
    document = read((ROOT / "docs" / "protocol.md").read_text(encoding="utf-8"))
    assert register.differences(document, ours()) == []


def test_each_case_of_the_first_catalogue_names_requirements_that_exist():
    covers = data.read("catalogue", "covers.json")
    known = {entry["id"] for entry in ours()}
    assert len(covers) == 216
    assert all(names and set(names) <= known for names in covers.values())


def test_each_must_is_in_a_case_or_says_why_not():
    covers = data.read("catalogue", "covers.json")
    tests = [
        {"id": name, "status": "draft" if name.startswith("FC-MOB-") else "required", "requirements": names}
        for name, names in covers.items()
    ]
    assert register.uncovered(ours(), tests) == []
