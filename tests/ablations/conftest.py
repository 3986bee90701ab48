from pathlib import Path

import pytest
import torch

from tests.ablations.cli_process import TINY


@pytest.fixture(autouse=True)
def _torch_as_it_was():
    """Training sets what holds for the whole process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def draw():
    """Draw a problem for a cell class; `K`, `T`, `B`, `I`, `H` are members, time, batch, inputs and units."""
    from ablations.contract import cells  # here, so that a run may check types: it imports before anyone else

    return cells.draw


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with a tiny study."""
    (tmp_path / "tiny.toml").write_text(TINY)
    return tmp_path


@pytest.fixture
def registries():
    """What a test defines is forgotten after it."""
    import tasks
    from ablations.cells import base
    from ablations.contract import plugins

    tasks.catalogue()
    kept = [(known, dict(known)) for known in (base.registry, tasks.registry, plugins._loaded)]
    yield
    for known, before in kept:
        known.clear()
        known.update(before)
