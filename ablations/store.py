"""The store: one folder that holds everything a sweep knows. Whatever is written appears whole or not at all."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ablations.messages import InputError

MARKER = "whygates-store.json"


class Store:
    """A store folder.

    - `mlflow.db`, `artifacts/`: the runs; `optuna.db`: the searches
    - `spool/`: results on their way to the tracker, a file per member
    - `checkpoints/`: populations in training
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.spool = self.folder / "spool"
        self.checkpoints = self.folder / "checkpoints"
        self.artifacts = self.folder / "artifacts"

        self.mlflow, self.optuna = self.folder / "mlflow.db", self.folder / "optuna.db"

    @property
    def local(self) -> bool:
        """Whether the runs are tracked here, and not on a server."""
        return not os.environ.get("MLFLOW_TRACKING_URI")

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.mlflow}" if self.local else os.environ["MLFLOW_TRACKING_URI"]

    @classmethod
    def create(cls, folder: Path) -> "Store":
        """Open a store for writing; an empty or missing folder becomes one. Raises InputError, and leaves it untouched."""
        if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / MARKER).is_file())):
            raise InputError(f"--store {folder}: it exists, and is not a whygates store; name an empty or new folder")
        store = cls(folder)
        try:
            for part in (store.spool, store.checkpoints, store.artifacts):
                part.mkdir(parents=True, exist_ok=True)
            write(store.folder / MARKER, json.dumps({"format": 1}) + "\n")
        except OSError as error:
            raise InputError(f"--store {folder}: cannot be written to: {error.strerror}") from None
        store._check_databases()
        return store

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open an existing store for reading. Raises InputError."""
        if not (folder / MARKER).is_file():
            what = "it is not a whygates store" if folder.exists() else "there is no such folder"
            raise InputError(f"--store {folder}: {what}; `whygates sweep` or `whygates demo` makes one")
        store = cls(folder)
        store._check_databases()
        return store

    def _check_databases(self) -> None:
        for path in (self.mlflow, self.optuna):
            if not path.exists():
                continue
            try:
                with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
                    database.execute("select name from sqlite_master limit 1")
            except sqlite3.DatabaseError as error:
                raise InputError(f"--store {self.folder}: {path.name} is not a usable database: {error}") from None

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """Hold the store for one sweep. The lock ends with the process, however it ends. Raises InputError."""
        lock = FileLock(self.folder / "sweep.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"--store {self.folder}: another sweep is using it; wait for it, or name another"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def busy(self) -> bool:
        """Whether a sweep is running on it now."""
        lock = FileLock(self.folder / "sweep.lock")
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def put(self, record: dict[str, Any]) -> None:
        """Leave a member's record for delivery to the tracker."""
        write(self.spool / f"{record['hash']}.json", json.dumps(record))

    def waiting(self, study: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """A study's records that have not been delivered, with the file to remove when they are."""
        for path in sorted(self.spool.glob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["study"] == study:
                yield path, record


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A scratch file to fill; it appears under its own name, whole, when the block ends, and not at all if it fails."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write(path: Path, text: str) -> None:
    """Write a text file that appears whole or not at all, and survives a crash right after."""
    with appearing(path) as scratch, open(scratch, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
