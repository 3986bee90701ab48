"""Real servers of this machine: PostgreSQL, and MLflow."""

import glob
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Postgres:
    """A PostgreSQL server with an empty cluster of databases, which only its own user may read."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder, self.port = programs, folder, free_port()
        # PostgreSQL refuses to be run by root.
        self.user: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            os.chown(folder, 65534, 65534)
        self._run("initdb", "--username=me", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")

    def _run(self, program: str, *arguments: str) -> None:
        command = [self.programs / program, "--pgdata", self.folder / "data", *arguments]
        log = self.folder / f"{program}.log"  # not a pipe, which the server would keep open
        with log.open("wb") as output:
            done = subprocess.run(command, cwd=self.folder, stdout=output, stderr=output, check=False, **self.user)
        assert done.returncode == 0, log.read_text()

    def start(self) -> None:
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"
        self._run("pg_ctl", "start", "--wait", "--log", str(self.folder / "server.log"), "--options", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it: `immediate` as if it crashed."""
        self._run("pg_ctl", "stop", "--wait", "--mode", mode)

    def create(self, database: str) -> str:
        """Create a database; returns its URL."""
        with psycopg.connect(host="127.0.0.1", port=self.port, user="me", dbname="postgres", autocommit=True) as one:
            one.execute(f"create database {database}")
        return f"postgresql+psycopg://me@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server. Where PostgreSQL is not installed, the test is skipped, but fails in `.ci/run`, which installs it."""
    found = [*sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb")), shutil.which("initdb")]
    if found[0] is None:
        missing = pytest.fail if os.environ.get("WHYGATES_CI") else pytest.skip
        missing("PostgreSQL is not installed: its program initdb is not found")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # pytest's folders cannot be entered by another user
    try:
        server = Postgres(Path(found[0]).resolve().parent, folder)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class MLflow:
    """An MLflow server."""

    def __init__(self, backend: str, artifacts: Path) -> None:
        self.backend, self.artifacts, self.port = backend, artifacts, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        options = ["--backend-store-uri", self.backend, "--artifacts-destination", str(self.artifacts)]
        options += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command = [sys.executable, "-P", "-m", "mlflow", "server", *options]
        with self.artifacts.with_suffix(".log").open("ab") as log:
            # Without its queues of jobs, which are eight more processes to start.
            environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._accepts():
                return
            time.sleep(0.1)
        raise AssertionError(self.artifacts.with_suffix(".log").read_text())

    def stop(self) -> None:
        if self.process:
            os.killpg(self.process.pid, 9)
            self.process.wait()
            self.process = None
            while self._accepts():  # the process of the server, a child of the one that was waited for, may end later
                time.sleep(0.05)

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def mlflow_server(backend: str, folder: Path) -> Iterator[MLflow]:
    """A running MLflow server with its runs in the database `backend`, and its artifacts in a folder."""
    server = MLflow(backend, folder / "artifacts")
    try:
        server.start()
        yield server
    finally:
        server.stop()
