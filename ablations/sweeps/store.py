"""The store: one folder that holds everything a sweep knows. Whatever is written appears whole or not at all."""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ablations.errors import InputError

MARKER = "whygates-store.json"
PROBED = ".probed.json"


class Store:
    """A store folder.

    - `mlflow.db`, `artifacts/`: the runs; `optuna.db`: the searches
    - `members/`: the result of every finished network, by its content hash: what is here is never trained again
    - `weights/`: what is kept of every confirmed network that did not diverge; `probes/`: what probes found out about it, by
      probe, and its portrait
    - `spool/<study>/`: what the tracker has not been told yet: where a member stands in a study
    - `checkpoints/`: populations in training
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.members = self.folder / "members"
        self.weights = self.folder / "weights"
        self.probes = self.folder / "probes"
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
            store.folder.mkdir(parents=True, exist_ok=True)
            write(store.folder / MARKER, json.dumps({"format": 1}) + "\n")
            for part in (
                store.members, store.weights, store.probes, store.spool, store.checkpoints, store.artifacts
            ):  # fmt: skip
                part.mkdir(exist_ok=True)
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
                # To be written to, as who was killed in a transaction left one to be rolled back.
                with sqlite3.connect(f"file:{path}?mode=rw", uri=True) as database:
                    database.execute("select name from sqlite_master limit 1")
            except sqlite3.DatabaseError as error:
                raise InputError(f"--store {self.folder}: {path.name} is not a usable database: {error}") from None

    @contextmanager
    def sweeping(self) -> Iterator[None]:
        """Hold the store for one sweep. The lock ends with the process, however it ends. Raises InputError."""
        lock = FileLock(self.folder / "sweep.lock")
        try:
            lock.acquire(timeout=1)  # a look at whether it is busy takes it for a moment
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

    def put(self, member: str, result: dict[str, Any]) -> None:
        """Keep a finished member's result for good."""
        write(self.members / f"{member}.json", json.dumps(result))

    def get(self, member: str) -> dict[str, Any] | None:
        """A finished member's result; None for one that is not finished."""
        return _read(self.members / f"{member}.json")

    def weights_of(self, member: str) -> Path:
        """The file with a member's weights. It is there before the member's result is."""
        return self.weights / f"{member}.safetensors"

    def portrait_of(self, member: str) -> Path:
        """The file with a member's portrait."""
        return self.probes / f"{member}.svg"

    def add_findings(self, member: str, probe: str, found: dict[str, Any]) -> None:
        """Keep what a probe found out about a member: its `metrics` and `curves`."""
        write(self.probes / f"{member}.json", json.dumps(self.findings(member) | {probe: found}))

    def findings(self, member: str) -> dict[str, dict[str, Any]]:
        """What is known of a member, by probe."""
        return _read(self.probes / f"{member}.json") or {}

    def tell(self, study: str, member: str, place: dict[str, Any], probes: Collection[str] | None = None) -> None:
        """Leave word for the tracker of where a finished member stands in a study; a second time when it is probed, with
        the `probes` of that study."""
        folder = self.spool / study
        folder.mkdir(exist_ok=True)
        if probes is None:
            write(folder / f"{member}.json", json.dumps(place))
        else:
            write(folder / f"{member}{PROBED}", json.dumps({**place, "probes": sorted(probes)}))

    def waiting(self, study: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """What the tracker has not been told: whole records, each with the file to remove when it has."""
        for path in sorted((self.spool / study).glob("[!.]*.json")):
            place, member = json.loads(path.read_text(encoding="utf-8")), path.name.partition(".")[0]
            found = {}
            if path.name.endswith(PROBED):  # another study may have asked it more
                asked = place.pop("probes")
                found["findings"] = {probe: f for probe, f in self.findings(member).items() if probe in asked}
            yield path, {"hash": member, "study": study, **place, **(self.get(member) or {}), **found}


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A scratch file to fill; it appears under its own name, whole, when the block ends, and not at all if it fails."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        os.replace(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def write(path: Path, content: str | bytes) -> None:
    """Write a file that appears whole or not at all, and survives a crash right after."""
    with appearing(path) as scratch, open(scratch, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[str, Any] | None:
    """The JSON of a file, if there is one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
