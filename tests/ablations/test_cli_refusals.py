"""What the command line refuses: one sentence, and nothing is touched."""

from pathlib import Path

import pytest
from filelock import FileLock

from ablations.sweeps.store import Store
from tests.ablations.cli_process import digests, whygates

REFUSALS = {
    "unknown study": (["sweep", "smok"], "did you mean 'smoke'"),
    "unknown cell": (["sweep", "smoke", "--set", 'cells=["lstn"]'], "unknown cell 'lstn'; did you mean 'lstm'?"),
    "unknown cell to tell apart": (["cells", "--diff", "lstn", "gru"], "unknown cell 'lstn'; did you mean 'lstm'?"),
    "unknown key": (["sweep", "smoke", "--set", "train.step=5"], "unknown key 'step'; did you mean 'steps'?"),
    "unknown engine": (["sweep", "smoke", "--engine", "egaer"], "unknown engine 'egaer'; did you mean 'eager'?"),
    "corrupt file": (["sweep", "broken.toml"], "broken.toml: not valid TOML"),
    "not a store": (["sweep", "smoke", "--store", "full"], "is not a whygates store"),
    "no store": (["status", "smoke", "--store", "nowhere"], "there is no such folder"),
    "unwritable store": (["sweep", "smoke", "--store", "/proc/nowhere/store"], "cannot be written to"),
    "unwritable report": (["demo", "--out", "/proc/nowhere/report"], "cannot be written to"),
    "missing columns": (["report", "--from", "full/results.csv", "--out", "r"], "phase"),
    "missing table": (["report", "--from", "nowhere.csv", "--out", "r"], "nowhere.csv"),
    "never swept": (["report", "smoke", "--store", "empty", "--out", "r"], "nothing was swept here yet"),
    "nothing to browse": (["ui", "--store", "empty"], "nothing was swept here yet"),
    "nothing named": (["report"], "name either a STUDY or --from"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_bad_input_gets_one_clear_message_and_leaves_all_untouched(tmp_path: Path, case: str) -> None:
    arguments, said = REFUSALS[case]
    (tmp_path / "broken.toml").write_text("name = ")
    Store.create(tmp_path / "empty")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "results.csv").write_text("study,cell,task\na,b,c\n")
    before = digests(tmp_path)
    done = whygates(*arguments, cwd=tmp_path)
    assert not (tmp_path / "r").exists()
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert digests(tmp_path) == before


def test_a_store_in_use_is_refused(tiny: Path) -> None:
    with FileLock(Store.create(tiny / "whygates-store").folder / "sweep.lock"):
        done = whygates("sweep", "tiny.toml", cwd=tiny)
    assert done.returncode == 2
    assert "another sweep is using it" in done.stderr


def test_an_unreachable_server_is_refused(tiny: Path) -> None:
    done = whygates("sweep", "tiny.toml", cwd=tiny, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("whygates: the MLflow server at http://127.0.0.1:9 ")
