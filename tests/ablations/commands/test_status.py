"""`whygates status`: counts, states, the estimate of the remaining time."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from rich.console import Console

from ablations.commands.status import StudyStatus, show_status, study_status
from ablations.sweeps.search import PHASES
from ablations.sweeps.store import Store
from ablations.tracking.tracked import TrackedStudy
from tests.ablations.cli_runner import whygates


def test_status_counts_every_member(swept: Path) -> None:
    arms = json.loads(whygates("status", "tiny", "--json", cwd=swept).stdout)
    assert len(arms) == 4
    for arm in arms:
        assert arm["state"] == "done"
        assert [(arm[phase]["done"], arm[phase]["of"]) for phase in PHASES] == [(4, 4), (0, 0), (4, 4)]
        assert [arm[phase]["probed"] for phase in PHASES] == [0, 0, 4]
    printed = whygates("status", "tiny.toml", cwd=swept).stdout  # named by its file
    assert "32 of 32 members finished; no sweep is running" in printed


def test_without_a_study_the_studies_of_the_store_are_listed(swept: Path) -> None:
    (row,) = json.loads(whygates("status", "--json", cwd=swept).stdout)
    everything = {"arms": {"done": 4, "of": 4}, "networks": {"done": 32, "of": 32}, "failed": 0, "queued": 0}
    assert row == {"study": "tiny", "complete": True} | everything
    assert re.search(r"│ tiny +│ +4/4 │ +32/32 │ +0 │ +0 │ complete", whygates("status", cwd=swept).stdout)


def test_an_arm_is_running_only_while_a_sweep_is(swept: Path, monkeypatch) -> None:
    monkeypatch.setattr(
        TrackedStudy, "status", lambda self, manifest: [{"state": state} for state in ("running", "done")]
    )
    folder = swept / "whygates-store"
    assert study_status("tiny", folder, Console())[:2] == ([{"state": "interrupted"}, {"state": "done"}], False)
    with FileLock(Store.open(folder).folder / "sweep.lock"):
        assert study_status("tiny", folder, Console())[:2] == ([{"state": "running"}, {"state": "done"}], True)


def test_the_remaining_time_is_extrapolated_from_finished_members() -> None:
    text = shown(StudyStatus([arm(done=3, state="running")], True, "whygates sweep tiny"))
    assert "6 of 8 members finished, about 20 min remaining on one core; a sweep is running" in text


def arm(done: int, state: str, queued: int = 0) -> dict[str, Any]:
    phase = {"of": 4, "done": done, "solved": 2, "diverged": 1, "probed": 0, "seconds": 1800.0}
    names = {"cell": "rnn", "task": "recall", "lag": 2, "size": 60}
    none = dict.fromkeys(phase, 0)
    return {**names, "tune": phase, "rerank": none, "confirm": phase, "state": state, "queued": queued}


def shown(status: StudyStatus) -> str:
    out = Console(file=io.StringIO(), width=160, color_system=None)
    show_status(status, out)
    return out.file.getvalue()  # type: ignore[attr-defined]


UNFINISHED, FAILED = "1 of 2 arms are not finished.", "1 arm failed: rnn on recall lag 2."
QUEUED, CONTINUE = "5 results wait for upload to MLflow and are not counted.", "Continue with:  whygates sweep my.toml"


@pytest.mark.parametrize(
    ("arms", "running", "expected"),
    [
        ([arm(4, "done"), arm(4, "done")], False, []),
        ([arm(4, "done"), arm(3, "interrupted")], False, [UNFINISHED, CONTINUE]),
        ([arm(4, "done"), arm(0, "waiting")], False, [UNFINISHED, CONTINUE]),
        ([arm(4, "done"), arm(3, "running")], True, [UNFINISHED]),
        ([arm(4, "done"), arm(2, "failed")], False, [UNFINISHED, FAILED, CONTINUE]),
        ([arm(4, "done"), arm(4, "done", queued=5)], False, [QUEUED, CONTINUE]),
        ([arm(4, "done"), arm(0, "failed", queued=5)], False, [UNFINISHED, FAILED, QUEUED, CONTINUE]),
    ],
)
def test_what_is_missing_failed_or_not_uploaded_is_said_with_the_command(
    arms: list[dict[str, Any]], running: bool, expected: list[str]
) -> None:
    status = StudyStatus(arms, running, "whygates sweep my.toml")
    assert len(status.problems) == len(expected)
    text = shown(status)
    assert all(sentence in text for sentence in expected)
