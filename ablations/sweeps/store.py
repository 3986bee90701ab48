"""The store: the folder that holds all results of sweeps. Every file is written atomically."""

import json
import os
import socket
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import URL

from ablations.errors import InputError
from ablations.sweeps.server import server

MARKER = "whygates-store.json"
FORMAT = 1
"""The format of a store, in its marker."""
RESULT = {"seed", "status", "settings", "metrics", "curves"}
"""Keys of the result of a member."""
LONGEST_PATH = 470
"""Bytes of a store's path: SQLite opens files whose path has at most 512 bytes, with what it appends to their names."""
PROBED = ".probed.json"
"""The end of the names of queue files that carry findings of probes."""


class Store:
    """A store folder.

    - `mlflow.db`, `artifacts/`: MLflow's runs; `optuna.db`: the searches
    - `members/`: the result of every finished network by content hash; these are never trained again
    - `weights/`: the weights of confirmed networks that did not diverge
    - `probes/`: the findings of probes about a network, by probe, and its figure
    - `spool/<study>/`: the queue of what is not yet uploaded to the tracker: a member's position in a study
    - `checkpoints/`: populations in training
    - `ui-port`: the port that `whygates ui` had last
    """

    def __init__(self, folder: Path) -> None:
        # Without links, as MLflow's database has the addresses of artifacts.
        self.folder = Path(os.path.realpath(folder))
        self.members = self.folder / "members"
        self.weights = self.folder / "weights"
        self.probes = self.folder / "probes"
        self.spool = self.folder / "spool"
        self.checkpoints = self.folder / "checkpoints"
        self.artifacts = self.folder / "artifacts"

        self.mlflow, self.optuna = self.folder / "mlflow.db", self.folder / "optuna.db"
        self.optuna_url = ""
        """The database of the searches, if it is not `optuna.db`."""

    @property
    def local(self) -> bool:
        """Whether runs are tracked in this folder; otherwise on the server that MLFLOW_TRACKING_URI names."""
        return server() is None

    @property
    def tracking_uri(self) -> str:
        return found.address if (found := server()) else database_url(self.mlflow)

    @classmethod
    def create(cls, folder: Path) -> "Store":
        """Open a store for writing, and create it in an empty or missing folder.

        :raises InputError: for any other folder, which is left untouched, and where it cannot be written.
        """
        server()  # an invalid one is refused before anything is written
        if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / MARKER).is_file())):
            raise InputError(f"--store {folder}: it exists, and is not a whygates store; name an empty or new folder")
        try:
            store = cls(folder)
            store._check_path()
            store.folder.mkdir(parents=True, exist_ok=True)
            if store._format() != FORMAT:
                write(store.folder / MARKER, json.dumps({"format": FORMAT}) + "\n")
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
        """Open an existing store for reading. Where runs are on a server, it may be missing.

        :raises InputError: if the folder is no store, or a database in it is damaged.
        """
        if server() and not os.path.isfile(folder / MARKER):
            return cls(folder)
        if not os.path.isfile(folder / MARKER):
            what = "it is not a whygates store" if os.path.lexists(folder) else "there is no such folder"
            raise InputError(f"--store {folder}: {what}; `whygates sweep` or `whygates demo` makes one")
        store = cls(folder)
        store._format()
        store._check_databases()
        return store

    def _format(self) -> int | None:
        """The format of the store; None if its marker is missing or damaged. Raises InputError for a newer format."""
        marker = _read(self.folder / MARKER)
        found = marker.get("format") if marker else None
        if isinstance(found, int) and found > FORMAT:
            raise InputError(
                f"--store {self.folder}: it was written by a newer whygates (format {found}; this one reads {FORMAT})"
            )
        return found if found == FORMAT else None

    def _check_path(self) -> None:
        """Raise InputError where SQLite cannot open the databases."""
        path = os.fsencode(self.folder)
        if len(path) > LONGEST_PATH:
            raise InputError(
                f"--store {self.folder}: its path has {len(path)} bytes; at most {LONGEST_PATH}, as SQLite opens no longer ones"
            )

    def _check_databases(self) -> None:
        for path in (self.mlflow, self.optuna):
            if not path.exists():
                continue
            try:
                # Opened for writing where that is allowed: a transaction of a killed process has to be rolled back.
                mode = "rw" if os.access(path, os.W_OK) and os.access(self.folder, os.W_OK) else "ro"
                with sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True) as database:
                    database.execute("select name from sqlite_master limit 1")
            except sqlite3.DatabaseError as error:
                if "locked" in str(error):
                    raise InputError(f"--store {self.folder}: {path.name} is locked by another program") from None
                raise InputError(f"--store {self.folder}: {path.name} is not a usable database: {error}") from None

    @contextmanager
    def sweeping(self, wait: bool = False) -> Iterator[None]:
        """Lock the store for one sweep. The operating system releases the lock when the process ends, even if it is killed.

        :param wait: wait for a sweep that holds it.
        :raises InputError: if another sweep holds it.
        """
        lock, holder = FileLock(self.folder / "sweep.lock"), self.folder / "sweep.json"
        try:
            lock.acquire(timeout=-1 if wait else 1)  # `busy` holds the lock for a moment
        except (OSError, NotImplementedError) as error:
            if isinstance(error, Timeout):  # which is an OSError too
                raise InputError(
                    f"--store {self.folder}: another sweep is using this store{_described(_read(holder))}; wait for it with "
                    "--wait, or name another store"
                ) from None
            raise InputError(
                f"--store {self.folder}: its lock cannot be acquired ({getattr(error, 'strerror', None) or error}): a sweep needs "
                "a store that can be written, on a file system with locks"
            ) from None
        try:
            since = datetime.now().astimezone().isoformat(" ", "seconds")
            with suppress(OSError):  # such as a full disk: only the message of another sweep needs it
                write(holder, json.dumps({"process": os.getpid(), "host": socket.gethostname(), "since": since}))
            self._remove_partial_files()
            yield
        finally:
            self._remove_partial_files()
            with suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()

    def _remove_partial_files(self) -> None:
        """Remove what processes that were killed while they wrote a file have left; see `atomic_file`."""
        with suppress(OSError):
            for part in (self.members, self.weights, self.probes, self.spool, self.checkpoints):
                for scratch in part.rglob(".*.[0-9]*"):
                    scratch.unlink(missing_ok=True)

    @property
    def busy(self) -> bool:
        """Whether a sweep is running on this store."""
        lock = FileLock(self.folder / "sweep.lock")
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True
        except (OSError, NotImplementedError):  # it may only be read, or has no locks: no sweep can run on it here
            return False

    def put(self, member: str, result: dict[str, Any]) -> None:
        """Store the result of a finished member."""
        write(self.members / f"{member}.json", json.dumps(result))

    def get(self, member: str) -> dict[str, Any] | None:
        """The result of a member; None if it has not finished, or if its file is damaged."""
        result = _read(self.members / f"{member}.json")
        return result if result and result.keys() >= RESULT else None

    def weights_path(self, member: str) -> Path:
        """The file of a member's weights. It is written before the member's result."""
        return self.weights / f"{member}.safetensors"

    def figure_path(self, member: str) -> Path:
        """The file of a member's figure."""
        return self.probes / f"{member}.svg"

    def files(self, member: str) -> list[Path]:
        """All files that a member may have, its result last: a member with a result is complete."""
        findings, result = self.probes / f"{member}.json", self.members / f"{member}.json"
        return [self.weights_path(member), self.figure_path(member), findings, result]

    def add_findings(self, member: str, probe: str, found: dict[str, Any]) -> None:
        """Store the `metrics` and `curves` that a probe measured of a member."""
        write(self.probes / f"{member}.json", json.dumps(self.findings(member) | {probe: found}))

    def findings(self, member: str) -> dict[str, dict[str, Any]]:
        """The findings about a member, by probe."""
        found = _read(self.probes / f"{member}.json") or {}
        return {
            probe: one for probe, one in found.items() if isinstance(one, dict) and one.keys() >= {"metrics", "curves"}
        }

    def enqueue(self, study: str, member: str, tags: dict[str, Any], probes: Collection[str] | None = None) -> None:
        """Enqueue a finished member for upload to the tracker; a second time, with the study's `probes`, after probing.

        :param tags: the member's position in the study.
        """
        folder = self.spool / study
        folder.mkdir(exist_ok=True)
        if probes is None:
            write(folder / f"{member}.json", json.dumps(tags))
        else:
            write(folder / f"{member}{PROBED}", json.dumps({**tags, "probes": sorted(probes)}))

    def queued_arms(self, study: str) -> list[str]:
        """The hash of the arm of every member that waits for upload."""
        records = {record["hash"]: record["arm"] for _, record in self.queued(study)}
        return list(records.values())

    def queued(self, study: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """What is not uploaded yet: the path of each queued file, to be removed once it is, and the member's record.

        A record has `hash`, `study`, the tags and the result; if the member was enqueued after probing, `findings`, by probe. A
        member can be queued once before and once after probing. Damaged files are left out: the next sweep trains or enqueues
        the member again.
        """
        for path in sorted((self.spool / study).glob("[!.]*.json")):
            member = path.name.partition(".")[0]
            tags, result, findings = _read(path), self.get(member), {}
            if tags is None or result is None or "arm" not in tags | result:
                continue
            if path.name.endswith(PROBED):  # leave out findings of probes that only other studies run
                probes = tags.pop("probes", ())
                findings["findings"] = {probe: f for probe, f in self.findings(member).items() if probe in probes}
            yield path, {"hash": member, "study": study, **tags, **result, **findings}


def _described(holder: dict[str, Any] | None) -> str:
    """The sweep that holds the lock, in parentheses; empty if its file is missing or damaged."""
    if not holder or holder.keys() != {"process", "host", "since"}:
        return ""
    return f" (process {holder['process']} on {holder['host']}, since {holder['since']})"


def database_url(path: Path) -> str:
    """The URL of an SQLite database for SQLAlchemy, whatever characters its path has.

    It names the driver: for `sqlite:///` alone, MLflow makes a folder of the path as it is quoted in the URL.
    """
    return URL.create("sqlite+pysqlite", database=str(path)).render_as_string()


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary file that replaces `path` when the block ends, and is removed if the block fails."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        if error.errno is not None and error.filename is None:  # as when a disk is full
            error.filename = str(path)
        raise
    finally:
        scratch.unlink(missing_ok=True)


def write(path: Path, content: str | bytes) -> None:
    """Write a file atomically and flush it to disk."""
    with atomic_file(path) as scratch, open(scratch, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is no such file, or a damaged one, whose content is then made again."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
