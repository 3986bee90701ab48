"""`whygates ui`: list the studies of a store and serve the MLflow UI."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO
from urllib.request import ProxyHandler, build_opener

from rich.console import Console
from rich.text import Text

from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.mlflow_db import relocate
from ablations.tracking.mlflow_view import address, group_colors, link, port_of, remember_port
from ablations.tracking.runs import experiments
from ablations.tracking.tracked import TrackedStudy


def serve(folder: Path, port: int | None, open_browser: bool, out: Console) -> None:
    """Print the address of every study. For a local store, run an MLflow server until Ctrl-C or SIGTERM.

    :param port: that of the server; None for the one that it had last on this store.

    Raises InputError when the store has no runs, its tracking server does not answer, or the port is in use.
    """
    store = Store.open(folder)
    studies = experiments(store)
    if not store.local:
        return _show(studies, store, open_browser, out)
    relocate(store)  # the server reads artifacts from the locations in the database
    port = port or port_of(store)
    _check_port(port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out.print("MLflow starts ...", soft_wrap=True)
    with _server(store, port, _colors(studies, store)) as (server, log), contextlib.suppress(KeyboardInterrupt):
        while server.poll() is None and not _answers(port):
            time.sleep(0.2)
        if server.poll() is None:
            remember_port(store, port)
            _show(studies, store, open_browser, out)
        raise InputError(f"the MLflow server ended by itself, with exit code {server.wait()}{_last_line(log)}")


def _show(studies: dict[str, str], store: Store, open_browser: bool, out: Console) -> None:
    out.print(
        f"MLflow UI on {address(store)}{', Ctrl-C stops it' if store.local else ''}. The studies:", soft_wrap=True
    )
    for name, experiment in studies.items():
        out.print(Text.assemble((name, "bold"), f"  {address(store)}/{link(experiment)}"), soft_wrap=True)
    if open_browser:
        first = next(iter(studies.values()), None)
        webbrowser.open(f"{address(store)}/{link(first) if first else ''}")


def _colors(studies: Iterable[str], store: Store) -> dict[str, str]:
    """The report's colours of the cells of all studies; the first study's where they differ."""
    colors: dict[str, str] = {}
    for study in studies:
        with contextlib.suppress(InputError):  # its sweep has only just started
            manifest = TrackedStudy(store, study).manifest()
            lags = {arm["lag"] for arm in manifest["arms"]}
            colors = group_colors([*manifest["cells"]], sorted(lags)) | colors
    return colors


def _check_port(port: int) -> None:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            raise InputError(f"--port {port}: it is in use by another program; choose another port") from None


@contextlib.contextmanager
def _server(store: Store, port: int, colors: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run an MLflow server as a child process in the block; yields it and the file that it logs to.

    :param colors: of groups of runs.
    """
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", store.tracking_uri]
    command += ["--artifacts-destination", store.artifacts.as_uri(), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--app-name", "whygates"]  # ablations.tracking.mlflow_app
    # One worker is faster than several on a small store, and the job runner would start eight idle processes.
    command += ["--workers", "1", "--uvicorn-opts", "--log-level warning"]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    settings["PYTHONSAFEPATH"] = "1"  # for the processes that the server starts
    settings["WHYGATES_COLORS"] = json.dumps(colors)  # for ablations.tracking.mlflow_app
    # Not with the user's options of MLflow, which could change its address or its stores.
    others = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("MLFLOW_")}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, env=others | settings, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield server, log
        finally:
            server.terminate()
            server.wait()


def _answers(port: int) -> bool:
    try:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return response.status == 200
    except OSError:  # an HTTP error is one, too
        return False


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").split("\n")
    return next((f": {line.strip()}" for line in reversed(lines) if line.strip()), "")
