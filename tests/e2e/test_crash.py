"""Nothing acknowledged is lost and nothing happens twice, whatever dies when."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.crash import crash


@pytest.mark.timeout(600)
@pytest.mark.xdist_group("crash")
def test_both_servers_agree_after_thirty_sigkills_under_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = crash(tmp_path, seconds=0.0, at_least=15, seed=7)
    with capsys.disabled():
        print(f"\n{report}")
    assert report.kills_under_load["lyon"] >= 15
    assert report.kills_under_load["nantes"] >= 15
    assert report.stories >= 1
    assert report.found == report.acknowledged > 0
    assert report.double_effects == []
    assert report.unequal == []
