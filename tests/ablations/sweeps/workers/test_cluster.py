"""Workers on a Ray cluster: results are those of local workers, also after tasks, nodes and drivers die. `nox -s cluster`."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("ray", reason='Ray is not installed: pip install "whygates[cluster]"')

from ray.cluster_utils import Cluster  # pyright: ignore[reportMissingImports]

from ablations.contract import plugins
from ablations.errors import InputError
from ablations.studies.study import Arm
from ablations.sweeps.arm import run_arm
from ablations.sweeps.jobs import Event
from ablations.sweeps.probing import probe_arm
from ablations.sweeps.schedule import Schedule
from ablations.sweeps.search import storage
from ablations.sweeps.store import Store
from ablations.sweeps.workers import cluster
from ablations.sweeps.workers.outcome import ArmOutcome
from tests.ablations.cli_process import SMOKE, SMOKE_NETWORKS, digests, whygates_process
from tests.ablations.sweeps.small_arms import context, queued_records, small_arm
from tests.ablations.sweeps.workers.undisturbed import finished, table, wait_for_members

pytestmark = pytest.mark.filterwarnings("ignore")  # those of Ray

LONG: dict[str, Any] = {"train": {"steps": 1500, "batch": 4, "eval_every": 10, "patience": 1000, "test": 20}}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    """A cluster of two nodes with a core each, and a head without."""
    head = {"num_cpus": 0, "include_dashboard": False}
    started = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        started.add_node(num_cpus=1)
    yield started
    started.shutdown()


@pytest.fixture
def connected(nodes: Cluster) -> Iterator[None]:
    with cluster.connected(nodes.address):
        yield


@pytest.fixture
def stores(tmp_path: Path) -> list[Store]:
    """One for local workers, one for those on Ray."""
    return [Store.create(tmp_path / name) for name in ("local", "ray")]


def on_ray(
    arms: list[Arm], store: Store, on_progress: Callable[[Event], object] = lambda _: None, checkpoints: str = ""
) -> list[ArmOutcome]:
    storage(store)
    callbacks = (on_progress, lambda: None, lambda: None)
    return list(cluster.run_arms(Schedule(arms, arms), store, 2, "eager", {}, *callbacks, checkpoints=checkpoints))


def assert_equal_to_local(arms: list[Arm], stores: list[Store]) -> None:
    """The records of the second store, its weights and findings are those of local workers, which are run in the first."""
    for arm in arms:
        probe_arm(arm, run_arm(arm, context(stores[0])), context(stores[0]))
    assert queued_records(stores[1]) == queued_records(stores[0])
    for part in ("weights", "probes"):
        found = [digests(store.folder / part) for store in stores]
        assert found[0] == found[1]
        assert found[0]
    assert not list(stores[1].checkpoints.glob("*.pt"))


def test_arms_on_ray_have_the_results_of_local_ones(connected: None, stores: list[Store]) -> None:
    arms = [small_arm(index) for index in (0, 3)]
    outcomes = on_ray(arms, stores[1])
    assert {outcome.arm.hash: outcome.status for outcome in outcomes} == {arm.hash: "done" for arm in arms}
    assert_equal_to_local(arms, stores)


def test_checkpoints_may_be_in_a_folder_that_nodes_share(connected: None, stores: list[Store], tmp_path: Path) -> None:
    folder, seen = tmp_path / "shared", []

    def look(_: Event) -> None:
        seen.extend(path.name for path in folder.glob("*.pt"))
        assert not list(stores[1].checkpoints.glob("*.pt"))

    folder.mkdir()
    assert [outcome.status for outcome in on_ray([small_arm(1)], stores[1], look, str(folder))] == ["done"]
    assert f"{small_arm(1).hash}-tune-0.pt" in seen
    assert not list(folder.iterdir())
    assert_equal_to_local([small_arm(1)], stores)


PLUGIN = '''
import os
import signal

from ablations.cells.gru import GRU
from beside import SCALE


class Mine(GRU):
    """A cell whose process dies while a file exists.

        z  = σ(W_z x + U_z h + b_z)

    Test.
    """

    name, parent, change = "mine", "gru", "it dies"

    def step(self, w, drive, state, tap):
        if os.path.exists("FOLDER/die-once"):
            os.remove("FOLDER/die-once")
            os.kill(os.getpid(), signal.SIGKILL)
        if os.path.exists("FOLDER/die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if os.path.exists("FOLDER/raise"):
            raise ArithmeticError("an error in the step")
        return super().step(w, drive, state, tap)
'''


@pytest.fixture
def mine(tmp_path: Path, registries: None) -> Arm:
    """An arm of a plug-in, whose files are deleted: its source travels with the tasks."""
    (tmp_path / "mine.py").write_text(PLUGIN.replace("FOLDER", str(tmp_path)))
    (tmp_path / "beside.py").write_text("SCALE = 1.0\n")
    plugins.defined(tmp_path / "mine.py")
    arm = small_arm(cells=["mine"])
    assert arm.hash  # which reads the source
    for name in ("mine.py", "beside.py"):
        (tmp_path / name).unlink()
    return arm


def test_a_task_that_dies_is_started_again_and_plugins_travel(
    connected: None, mine: Arm, stores: list[Store], tmp_path: Path
) -> None:
    (tmp_path / "die-once").touch()
    assert [outcome.status for outcome in on_ray([mine], stores[1])] == ["done"]
    assert not (tmp_path / "die-once").exists()
    assert_equal_to_local([mine], stores)


@pytest.mark.parametrize(
    ("file", "error"),
    [("die", "its task died 2 times: "), ("raise", "ArithmeticError: an error in the step")],
)
def test_an_arm_whose_tasks_die_or_raise_fails_and_the_others_are_trained(
    connected: None, mine: Arm, stores: list[Store], tmp_path: Path, file: str, error: str
) -> None:
    (tmp_path / file).touch()
    outcomes = {outcome.arm.hash: outcome for outcome in on_ray([mine, small_arm()], stores[1])}
    assert outcomes[small_arm().hash].status == "done"
    assert outcomes[mine.hash].status == "failed"
    assert outcomes[mine.hash].error.strip().splitlines()[-1].startswith(error)


def test_an_arm_that_exceeds_its_time_limit_fails(connected: None, stores: list[Store]) -> None:
    endless = small_arm(train=LONG["train"] | {"steps": 10**7, "time_limit": 2})
    (outcome,) = on_ray([endless], stores[1])
    assert outcome.status == "failed"
    assert outcome.error.strip().splitlines()[-1].endswith("it took longer than train.time_limit = 2 seconds")


def test_nodes_of_another_version_are_refused(
    connected: None, stores: list[Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = cluster.environment()
    monkeypatch.setattr(cluster, "environment", lambda: here | {"torch": "1.0"})
    with pytest.raises(InputError, match=r"torch .* on .*, and 1\.0 where the sweep runs: install the same version"):
        on_ray([small_arm()], stores[1])


@pytest.mark.faults
def test_a_node_that_is_killed_changes_no_result(
    nodes: Cluster, connected: None, stores: list[Store], tried: Callable[..., None]
) -> None:
    """Two arms are in training, one on each node; their jobs go on where there is a core."""
    arms, seen = [small_arm(index, **LONG) for index in (0, 1)], set[str]()
    victim = nodes.add_node(num_cpus=1)
    first = next(node for node in nodes.worker_nodes if node is not victim)
    killed = []

    def kill(event: Event) -> None:
        seen.add(event.arm)
        if len(seen) == 2 and not killed:
            killed.append(time.monotonic())
            nodes.remove_node(first, allow_graceful=False)
            nodes.remove_node(victim, allow_graceful=False)

    assert [outcome.status for outcome in on_ray(arms, stores[1], kill)] == ["done"] * 2
    assert killed
    nodes.add_node(num_cpus=1)
    assert_equal_to_local(arms, stores)
    tried("two nodes of a Ray cluster killed while they train", 2, *map(queued_records, stores))


@pytest.mark.faults
def test_a_driver_that_is_interrupted_or_killed_continues_with_the_table_of_local_workers(
    nodes: Cluster, tiny: Path, tried: Callable[..., None]
) -> None:
    changes = ("train.steps=60", "train.eval_every=5", "sizes=[100]", "tune.rerank=1")
    arguments = ["sweep", "tiny.toml", *[word for change in changes for word in ("--set", change)]]
    done = whygates_process(*arguments, "--store", "local", cwd=tiny)
    assert done.returncode == 0, done

    command = [sys.executable, "-m", "ablations", *arguments, "--store", "ray", "--ray", nodes.address]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tiny}
    for number, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(command, env=environment, **pipes)
        before = finished(tiny / "ray")
        wait_for_members(tiny / "ray", before + 1, process)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == code, output + errors
        assert ("Interrupted; all but the last 20 seconds of training is saved." in output) == (code == 130)
        assert before < finished(tiny / "ray") < 40
    again = subprocess.run(command, env=environment, timeout=600, check=False, **pipes)
    assert again.returncode == 0, again
    assert "4 of 4 arms done" in again.stdout
    tables = [table(tiny / store) for store in ("local", "ray")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    tried("driver of a Ray cluster interrupted, then killed", 2, *(one.hash for one in tables))


@pytest.mark.faults
def test_the_smoke_study_on_two_nodes_one_of_which_is_killed_has_the_table_of_local_workers(
    nodes: Cluster, tmp_path: Path, tried: Callable[..., None]
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    command = [sys.executable, "-m", "ablations", "sweep", *SMOKE]
    done = subprocess.run([*command, "--store", "local"], env=environment, timeout=1800, check=False, **pipes)
    assert done.returncode == 0, done

    assert len(nodes.worker_nodes) == 2
    process = subprocess.Popen([*command, "--store", "ray", "--ray", nodes.address], env=environment, **pipes)
    wait_for_members(tmp_path / "ray", 20, process)
    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    trained = finished(tmp_path / "ray")
    output, errors = process.communicate(timeout=1800)
    nodes.add_node(num_cpus=1)
    assert 20 <= trained < SMOKE_NETWORKS
    assert process.returncode == 0, output + errors
    assert "30 of 30 arms done" in output
    tables = [table(tmp_path / store, "smoke") for store in ("local", "ray")]
    assert len(tables[0]) == SMOKE_NETWORKS
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    tried("one of two nodes of a Ray cluster killed during the study `smoke`", 1, *(one.hash for one in tables))
