from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import get_context, set_forkserver_preload
from pathlib import Path

import pytest
import torch

from ablations.sweeps.workers import local
from tests.ablations.cli_process import TINY
from tests.ablations.forked import ForkedPool


@pytest.fixture(autouse=True)
def _torch_settings():
    """Restore the process-wide torch settings that training changes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(autouse=True, scope="session")
def _one_worker() -> Iterator[None]:
    """One worker process for sweeps in this process that do not choose their number: each takes seconds of imports to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablations.commands.sweep.default_workers", lambda device: 1)
        yield


@pytest.fixture(autouse=True, scope="session")
def _forked_workers() -> Iterator[None]:
    """Workers of sweeps in this process are forked from a server that has imported what they need, where others start Python anew
    and import for seconds. Sweeps in a process of their own are as users have them."""
    set_forkserver_preload(["ablations.sweeps.workers.local"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "get_context", lambda method: get_context("forkserver"))
        patch.setattr(local, "ProcessPoolExecutor", ForkedPool)
        yield


@pytest.fixture(scope="session")
def draw():
    """Draw a problem for a cell class; `K`, `T`, `B`, `I`, `H` are members, time, batch, inputs and units."""
    from ablations.contract import problems  # here, so that a run with type checks can install its import hook first

    return problems.draw


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with a tiny study."""
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Record a row of docs/faults.md: a fault, how often it was tried, and which rows the table has without it and with it."""

    def record(fault: str, times: int, without: Iterable[str] = (), with_: Iterable[str] = ()) -> None:
        expected, found = Counter(list(without)), Counter(list(with_))  # of a dict, its keys
        compared = (
            (expected.total(), (expected - found).total(), (found - expected).total()) if expected else ("–",) * 3
        )
        names = ("rows compared", "rows lost", "rows too many")
        for name, value in {"fault": fault, "times tried": times, **dict(zip(names, compared, strict=True))}.items():
            record_property(name, value)

    return record


@pytest.fixture
def registries():
    """Unregister the cells, tasks and plug-ins that a test defines."""
    from tests.ablations.cli_runner import restored_registries

    with restored_registries():
        yield
