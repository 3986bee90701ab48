"""The store's MLflow database: made whole, and followed when the store is moved."""

import logging
import sqlite3
from contextlib import closing

from mlflow import MlflowClient

from ablations.sweeps.store import Store, appearing


def create_database(store: Store) -> None:
    """Make the store's MLflow database if it has none, so that it is never seen half-made."""
    if not store.mlflow.exists():
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        with appearing(store.mlflow) as scratch:
            MlflowClient(f"sqlite:///{scratch}").search_experiments()


def relocate(store: Store, experiment: str, here: str, there: str) -> None:
    """Artifacts are stored by absolute address: after a store has been moved or copied, they are here, not there."""
    if here != there:
        with closing(sqlite3.connect(store.mlflow)) as database, database:
            database.execute("update experiments set artifact_location = ? where experiment_id = ?", (here, experiment))
            database.execute(
                "update runs set artifact_uri = ? || substr(artifact_uri, ?) where experiment_id = ?",
                (here, len(there) + 1, experiment),
            )
