"""`whygates status`: counts, states, the estimate of the remaining time."""

import io
import json
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from ablations.commands.status import arm_states, show_status
from ablations.sweeps.store import Store
from ablations.tracking.tracker import Tracker
from tests.ablations.cli_runner import whygates


def test_status_counts_every_member(swept: Path) -> None:
    arms = json.loads(whygates("status", "tiny", "--json", cwd=swept).stdout)
    assert len(arms) == 4
    for arm in arms:
        assert arm["state"] == "done"
        assert [(arm[phase]["done"], arm[phase]["of"]) for phase in ("tune", "confirm")] == [(4, 4), (4, 4)]
        assert [arm[phase]["probed"] for phase in ("tune", "confirm")] == [0, 4]
    printed = whygates("status", "tiny.toml", cwd=swept).stdout  # named by its file
    assert "32 of 32 members finished; no sweep is running" in printed


def test_an_arm_is_running_only_while_a_sweep_is(swept: Path, monkeypatch) -> None:
    monkeypatch.setattr(Tracker, "status", lambda self, manifest: [{"state": state} for state in ("running", "done")])
    folder = swept / "whygates-store"
    assert arm_states("tiny", folder) == ([{"state": "interrupted"}, {"state": "done"}], False)
    with FileLock(Store.open(folder).folder / "sweep.lock"):
        assert arm_states("tiny", folder) == ([{"state": "running"}, {"state": "done"}], True)


def test_the_remaining_time_is_extrapolated_from_finished_members() -> None:
    phase = {"of": 4, "done": 3, "solved": 2, "diverged": 1, "probed": 0, "seconds": 1800.0}
    arm = {"cell": "rnn", "task": "recall", "lag": 2, "size": 60, "tune": phase, "confirm": phase, "state": "running"}
    out = Console(file=io.StringIO(), width=160, color_system=None)
    show_status([arm], True, out)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "6 of 8 members finished, about 20 min remaining on one core; a sweep is running" in text
