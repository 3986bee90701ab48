import shutil
from pathlib import Path

import pytest

from ablations.sweeps.store import Store
from ablations.tracking.mlflow_db import create_database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without studies; creating one takes seconds, so it is created once."""
    store = Store.create(tmp_path_factory.mktemp("store"))
    create_database(store)
    return store.mlflow


@pytest.fixture
def store(tmp_path: Path, empty_database: Path) -> Store:
    store = Store.create(tmp_path / "store")
    shutil.copy(empty_database, store.mlflow)
    return store
