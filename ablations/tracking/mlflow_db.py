"""The store's MLflow database: created atomically, and updated after the store was moved."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.file_utils import local_file_uri_to_path

from ablations.errors import InputError
from ablations.sweeps.store import Store, atomic_file, database_url
from ablations.tracking.runs import WORKSPACES, using


def create_database(store: Store) -> None:
    """Create the store's MLflow database, with all its tables or not at all, unless it exists or a server has the runs."""
    if store.local and not store.mlflow.exists():
        os.environ[WORKSPACES] = "false"
        with using(store), atomic_file(store.mlflow) as scratch:
            # Not by a client: MLflow would put the current folder, unquoted, into an SQL statement.
            SqlAlchemyStore(database_url(scratch), store.artifacts.as_uri())


def relocate(store: Store) -> bool:
    """Update the artifact locations of experiments and runs, which are absolute, after the store was moved or copied.

    Returns whether they are up to date; they are not where the database was moved and can only be read.
    """
    with closing(sqlite3.connect(store.mlflow)) as database:
        recorded = database.execute("select experiment_id, artifact_location from experiments").fetchall()
        try:
            with database:
                for experiment, old in recorded:
                    if (present := artifact_folder(store, old)) != Path(local_file_uri_to_path(old)):
                        _replace_location(database, experiment, old, present.as_uri())
        except sqlite3.OperationalError:
            return False
    return True


def _replace_location(database: sqlite3.Connection, experiment: str, old: str, new: str) -> None:
    database.execute("update experiments set artifact_location = ? where experiment_id = ?", (new, experiment))
    database.execute(
        "update runs set artifact_uri = ? || substr(artifact_uri, ?) where experiment_id = ?",
        (new, len(old) + 1, experiment),
    )


def collect_garbage(store: Store, experiment: str) -> None:
    """Delete what MLflow has only marked as deleted: the rows of an experiment, and its artifacts.

    :raises InputError: if MLflow fails.
    """
    with closing(sqlite3.connect(store.mlflow)) as database:
        (location,) = database.execute(
            "select artifact_location from experiments where experiment_id = ?", (experiment,)
        ).fetchone()
    command = [sys.executable, "-P", "-m", "mlflow", "gc", "--backend-store-uri", store.tracking_uri]
    command += ["--tracking-uri", store.tracking_uri, "--experiment-ids", experiment]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"the runs of the study are marked as deleted, but their data are not deleted: {reason}")
    shutil.rmtree(artifact_folder(store, location), ignore_errors=True)  # MLflow leaves empty folders


def artifact_folder(store: Store, recorded: str, depth: int = 1) -> Path:
    """Return where a folder of artifacts is that the database has as the URI `recorded`.

    That is in the store, wherever it was moved to, if it has a folder of the same name: an experiment may have been renamed.

    :param depth: 1 for the folder of an experiment, 3 for that of a run, `<experiment>/<run>/artifacts`.
    """
    folder = Path(local_file_uri_to_path(recorded))
    current = store.artifacts.joinpath(*folder.parts[-depth:])
    return current if current.is_dir() else folder
