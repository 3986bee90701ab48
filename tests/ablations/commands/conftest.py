import shutil
from pathlib import Path

import pytest

from tests.ablations.cli_process import PROBED
from tests.ablations.cli_runner import Outcome, whygates


@pytest.fixture(scope="session")
def first_sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A folder with a tiny study that was swept into the default store, and the outcome of that sweep."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "tiny.toml").write_text(PROBED)
    outcome = whygates("sweep", "tiny.toml", "--workers", "2", cwd=folder)
    assert outcome.code == 0, outcome
    return folder, outcome


@pytest.fixture(scope="session")
def swept(first_sweep: tuple[Path, Outcome]) -> Path:
    """The folder of the tiny study; tests may add files to it, and change nothing in its store."""
    return first_sweep[0]


@pytest.fixture(scope="session")
def reported(swept: Path) -> Path:
    """The report of the tiny study."""
    outcome = whygates("report", "tiny", "--out", "report", cwd=swept)
    assert outcome.code == 0, outcome
    return swept / "report"


@pytest.fixture
def copied(swept: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the swept store."""
    shutil.copytree(swept / "whygates-store", tmp_path / "whygates-store")
    (tmp_path / "tiny.toml").write_text(PROBED)
    return tmp_path
