"""`fedcoop history`: the signed history as a file."""

from __future__ import annotations

from fedcoop.cli.instances import LocalInstance
from tests.cli.conftest import Run


def test_a_history_of_nothing_is_refused(run: Run, instance: LocalInstance) -> None:
    done = run("history", instance.folder, f"{instance.base}/missions/none")
    assert done.status == 1
    assert "Traceback" not in done.err
