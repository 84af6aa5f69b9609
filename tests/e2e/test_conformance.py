"""fedcoop before its own judge: the conformance suite plays every profile against a served instance, by the ordinary
adapter (gate G2), and asks fedcoop's own code the static vectors (`answer_vectors.py`). The suite is another program;
nothing of it is imported here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUT = ROOT / "conformance" / "adapters" / "fedcoop" / "sut.toml"
PROFILES = json.loads((ROOT / "conformance" / "catalogue" / "profiles.json").read_bytes())["profiles"]
PLAYED = [f"{one['name']}@{one['version']}" for one in PROFILES]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("profile", PLAYED)
def test_fedcoop_conforms(profile: str, tmp_path: Path):
    program = Path(sys.executable).parent / "fedcoop"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "fedcoop_conformance",
            "run",
            SUT,
            "-p",
            profile,
            "--out",
            tmp_path,
            "--timeout-scale",
            "4",
        ],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "FEDCOOP": str(program), "FEDCOOP_LANG": "en"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_bytes())
    assert report["footer"]["claims"] == [
        claim for claim in report["footer"]["claims"] if claim["verdict"] == "conformant"
    ]
    skipped = [one["id"] for one in report["results"] if one["outcome"] not in {"passed", "failed"}]
    assert skipped == [], "nothing is skipped in silence"
