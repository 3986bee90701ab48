"""The connection to MLflow, the studies of a store, and the look-up of one member's run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.mlflow_db import create_database
from ablations.tracking.runs import MemberRun, connect, described, experiments, find_member, using
from tests.ablations.tracking.fake_server import answering

CONFIRMED = {"kind": "member", "phase": "confirm", "status": "solved"}
TAGS = {
    "confirmed": CONFIRMED | {"hash": "abc1"},
    "unsolved": CONFIRMED | {"hash": "abc2", "status": "unsolved"},
    "diverged": CONFIRMED | {"hash": "d0", "status": "diverged"},
    "trial": CONFIRMED | {"hash": "e0", "phase": "tune"},
    "arm": {"kind": "arm"},
    "study": {"kind": "study"},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.create(tmp_path_factory.mktemp("runs") / "store")
    create_database(store)
    return store


@pytest.fixture(scope="module")
def runs(store: Store) -> dict[str, str]:
    """The ids of one run of every kind, by the names in `TAGS`."""
    client = MlflowClient(store.tracking_uri)
    experiment = client.create_experiment("tiny")
    return {name: client.create_run(experiment, tags=tags).info.run_id for name, tags in TAGS.items()}


def test_a_confirmed_member_is_found_by_the_start_of_its_hash_or_run_id(store: Store, runs: dict[str, str]) -> None:
    confirmed = MemberRun(runs["confirmed"], "abc1", solved=True)
    assert find_member(store, "abc1") == find_member(store, runs["confirmed"][:20]) == confirmed
    assert find_member(store, "abc2") == MemberRun(runs["unsolved"], "abc2", solved=False)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("diverged", "diverged members have no saved weights"),
        ("trial", "only confirmed members have saved weights"),
        ("arm", "is the run of an arm"),
        ("study", "is the run of a study"),
    ],
)
def test_runs_without_saved_weights_are_refused(store: Store, runs: dict[str, str], name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        find_member(store, runs[name])


def test_an_ambiguous_prefix_is_refused_with_the_hashes_that_match(store: Store, runs: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"'abc' is ambiguous: \d+ runs start with it: .*abc1, abc2"):
        find_member(store, "abc")


@pytest.mark.parametrize("prefix", ["", "x", "' or 1 = 1", "%", "f00f00f00"])
def test_a_prefix_that_matches_no_run_is_refused(store: Store, runs: dict[str, str], prefix: str) -> None:
    with pytest.raises(InputError, match=f"run {re.escape(repr(prefix))} is not in"):
        find_member(store, prefix)


def test_the_experiments_of_a_store_are_its_studies_and_not_those_of_other_projects(
    store: Store, runs: dict[str, str]
) -> None:
    MlflowClient(store.tracking_uri).create_experiment("of another project")
    assert experiments(store) == {"tiny": MlflowClient(store.tracking_uri).get_run(runs["arm"]).info.experiment_id}


def test_a_store_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no study was swept into this store yet"):
        connect(Store.create(tmp_path / "store"))


def test_an_unreachable_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the MLflow server at http://127\.0\.0\.1:9 cannot be used"):
        connect(Store.create(tmp_path / "store"))


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"", "it is not MLflow"),
        (200, b"{}", "it is not MLflow"),
        (200, b"<html>welcome</html>", "not in a valid JSON format"),
        (200, b"[]", "not in a valid JSON format"),
        (401, b"", "failed with error code 401"),
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "ask\\nme"}', "PERMISSION_DENIED: ask"),
        (404, b"<html>nothing</html>", "failed with error code 404"),
        (500, b"sorry\n", "failed with exception"),
        (None, b"", "failed with exception"),
    ],
)
def test_a_server_that_is_not_mlflow_is_refused_in_one_line_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, body: bytes, reason: str
) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "replaced")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with answering(status, body) as (server, address):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:s%40cret@{address}/")
        with pytest.raises(InputError) as caught:
            connect(Store.open(tmp_path / "nowhere"))
    message = str(caught.value)
    assert message.startswith(f"the MLflow server at http://{address} cannot be used: ")
    assert reason in message
    assert "\n" not in message
    assert "cret" not in message
    assert set(server.logins) == {"Basic bWU6c0BjcmV0"}  # me:s@cret
    assert os.environ["MLFLOW_TRACKING_URI"] == f"http://{address}"
    assert not list(tmp_path.iterdir())


class OtherError(Exception):
    """An error that is neither of MLflow nor of the system, like those of boto3."""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MlflowException("no\nmore"), "no"),
        (ImportError("No module named 'boto3'"), "No module named 'boto3'"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (OtherError("Unable to locate credentials"), "OtherError: Unable to locate credentials"),
        (KeyError("arm"), "KeyError: 'arm'"),
        (OtherError("\n\n  late \n"), "OtherError: late"),
        (OtherError(), "OtherError"),
        (OtherError("x" * 300), "OtherError: " + "x" * 200 + " …"),
    ],
)
def test_any_failure_of_mlflow_is_one_line(store: Store, error: Exception, line: str) -> None:
    assert described(error) == line
    with pytest.raises(InputError, match=re.escape(f"mlflow.db cannot be used: {line}") + "$"), using(store):
        raise error


def test_invalid_input_is_not_blamed_on_mlflow(store: Store) -> None:
    with pytest.raises(InputError, match=r"^mine$"), using(store):
        raise InputError("mine")


@pytest.mark.parametrize("name", ["POOL_SIZE", "MAX_OVERFLOW", "POOL_RECYCLE", "POOLCLASS", "ECHO"])
def test_an_invalid_option_of_mlflow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"MLFLOW_SQLALCHEMYSTORE_{name}", "foo")
    with pytest.raises(InputError, match=r"mlflow\.db cannot be used: ValueError: .*foo"):
        create_database(Store.create(tmp_path / "store"))


def test_no_option_of_mlflow_moves_a_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        "EXPERIMENT_NAME",
        "EXPERIMENT_ID",
        "RUN_ID",
        "REGISTRY_URI",
        "TRACKING_USERNAME",
        "ARTIFACT_ROOT",
        "RUN_CONTEXT",
    )
    for name in names:
        monkeypatch.setenv(f"MLFLOW_{name}", "elsewhere")
    monkeypatch.setenv(
        "MLFLOW_ENABLE_WORKSPACES", "true"
    )  # without one, as in a store, MLflow would refuse every request
    client = connect(store)
    experiment = client.create_experiment("moved", artifact_location=(store.artifacts / "moved").as_uri())
    run = client.create_run(experiment, tags={"kind": "member"}, run_name="name")
    client.log_text(run.info.run_id, "text", "file.txt")
    assert {e.name for e in client.search_experiments()} >= {"moved", "Default"}
    (found,) = client.search_runs([experiment])
    assert found.data.tags == {"kind": "member", "mlflow.runName": "name"}
    assert [path.read_text() for path in store.artifacts.rglob("file.txt")] == ["text"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LOGGING_LEVEL", "foo", "InputError: MLflow cannot be imported: Unknown level: 'FOO' (variables of MLflow that are set: MLFLOW_LOGGING_LEVEL)"),
        ("CONFIGURE_LOGGING", "x", "(variables of MLflow that are set: MLFLOW_CONFIGURE_LOGGING)"),
        ("ENABLE_ASYNC_LOGGING", "true", "async False, addresses suppressed True"),
    ],
)  # fmt: skip
def test_options_that_mlflow_reads_when_it_is_imported(name: str, value: str, expected: str) -> None:
    code = (
        "import ablations.tracking\n"
        "from mlflow import environment_variables as e\n"
        "print('async', e.MLFLOW_ENABLE_ASYNC_LOGGING.get(), end=', ')\n"
        "print('addresses suppressed', e.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.get())"
    )
    environment = {key: text for key, text in os.environ.items() if not key.startswith("MLFLOW_")}
    command = [sys.executable, "-c", code]
    environment[f"MLFLOW_{name}"] = value
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout + done.stderr).strip().splitlines()[-1].endswith(expected)
