"""The store's MLflow database: created atomically, and updated after the store was moved."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.file_utils import local_file_uri_to_path

from ablations.sweeps.store import Store, atomic_file, database_url
from ablations.tracking.runs import using


def create_database(store: Store) -> None:
    """Create the store's MLflow database, with all its tables or not at all, unless it exists or a server has the runs."""
    if store.local and not store.mlflow.exists():
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        with using(store), atomic_file(store.mlflow) as scratch:
            # Not by a client: MLflow would put the current folder, unquoted, into an SQL statement.
            SqlAlchemyStore(database_url(scratch), store.artifacts.as_uri())


def relocate(store: Store, experiment: str, recorded: str) -> None:
    """Update the artifact locations of an experiment, which are absolute, after the store was moved or copied.

    Nothing is changed unless a folder of the same name is among the store's artifacts: an experiment may have been renamed.

    :param recorded: the URI of the folder in the database.
    """
    folder = Path(local_file_uri_to_path(recorded))
    current = store.artifacts / folder.name
    if folder == current or not current.is_dir():
        return
    with closing(sqlite3.connect(store.mlflow)) as database, database:
        database.execute(
            "update experiments set artifact_location = ? where experiment_id = ?", (current.as_uri(), experiment)
        )
        database.execute(
            "update runs set artifact_uri = ? || substr(artifact_uri, ?) where experiment_id = ?",
            (current.as_uri(), len(recorded) + 1, experiment),
        )
