"""A store that can only be read, such as a colleague's or an archive, at another path than it was swept at."""

import io
import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest
from mlflow import MlflowClient

import ablations
from ablations.commands import ui
from ablations.sweeps.store import Store
from tests.ablations.cli_process import digests
from tests.ablations.cli_runner import Outcome, whygates
from tests.ablations.unprivileged import unprivileged


def set_writable(folder: Path, writable: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200 if writable else path.stat().st_mode & ~0o222)


@pytest.fixture(scope="module")
def archive(swept: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("archive")
    store = Path(shutil.copytree(swept / "whygates-store", folder / "store"))
    set_writable(store, False)
    before = digests(store)
    yield store
    assert digests(store) == before
    set_writable(store, True)


@pytest.fixture
def run(archive: Path, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command on the archive, in an empty folder."""
    monkeypatch.setattr("signal.signal", lambda *_: None)  # allowed in the main thread only
    server = Mock(**{"poll.return_value": None, "wait.side_effect": KeyboardInterrupt})
    monkeypatch.setattr(ui, "_server", lambda store, port, colors: nullcontext((server, io.BytesIO())))
    monkeypatch.setattr(ui, "_answers", lambda port: True)

    def run(*command: str) -> Outcome:
        return unprivileged(lambda: whygates(*command, "--store", str(archive), cwd=tmp_path))

    return run


def test_the_store_cannot_be_written(archive: Path) -> None:
    with pytest.raises(PermissionError):
        unprivileged(lambda: (archive / "file").touch())
    assert unprivileged(lambda: os.access(archive / "mlflow.db", os.W_OK)) is False


def test_status_inspect_and_ui_read_it(run, swept: Path, archive: Path, tmp_path: Path) -> None:
    assert run("status", "tiny").stdout == whygates("status", "tiny", cwd=swept).stdout
    network = next(path.stem for path in sorted((archive / "weights").glob("*.safetensors")))
    assert run("inspect", network, "--out", "networks").code == 0
    assert (tmp_path / "networks" / network / "learning.svg").is_file()
    outcome = run("ui")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "/#/experiments/1/runs?" in outcome.stdout


def test_its_report_is_that_of_the_original_and_is_not_attached_to_a_run(
    run, swept: Path, reported: Path, archive: Path, tmp_path: Path
) -> None:
    original = digests(swept / "whygates-store")
    outcome = run("report", "tiny", "--out", "report")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "could not be attached to the study's run in MLflow: the store was moved or copied, and" in outcome.stdout
    for name in ("results.csv", "trials.csv", "curves.csv", "verdicts.json"):
        assert (tmp_path / "report" / name).read_bytes() == (reported / name).read_bytes()
    assert digests(swept / "whygates-store") == original
    results = unprivileged(lambda: ablations.load_results(archive, "tiny"))
    assert len(results.confirm) == 16


def test_a_sweep_is_refused_before_anything_is_trained(run, swept: Path) -> None:
    outcome = run("sweep", str(swept / "tiny.toml"))
    assert (outcome.code, len(outcome.stderr.splitlines())) == (2, 1)
    assert (
        "its lock cannot be acquired (Permission denied): a sweep needs a store that can be written" in outcome.stderr
    )


def test_a_copy_that_can_be_written_has_the_new_locations_in_the_ui(run, archive: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(archive, tmp_path / "copied"))
    set_writable(copied, True)
    assert whygates("ui", "--store", copied, cwd=tmp_path).code == 0
    location = MlflowClient(Store.open(copied).tracking_uri).get_experiment_by_name("tiny")
    assert location
    assert location.artifact_location == (copied / "artifacts" / "tiny").as_uri()
