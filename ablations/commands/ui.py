"""`whygates ui`: list the studies of a store and serve the MLflow UI."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ablations.errors import InputError
from ablations.sweeps.store import Store
from ablations.tracking.mlflow_db import relocate
from ablations.tracking.mlflow_view import link
from ablations.tracking.runs import experiments


def serve(folder: Path, port: int, out: Console) -> None:
    """Print the address of every study. For a local store, run an MLflow server until Ctrl-C or SIGTERM.

    Raises InputError when the store has no runs, its tracking server does not answer, or the port is in use.
    """
    store = Store.open(folder)
    studies = experiments(store)
    address = f"http://127.0.0.1:{port}" if store.local else store.tracking_uri
    if store.local:
        relocate(store)  # the server reads artifacts from the locations in the database
        _check_port(port)
    out.print(f"MLflow UI on {address}{', Ctrl-C stops it' if store.local else ''}. Studies:", soft_wrap=True)
    for name, experiment in studies.items():
        out.print(Text.assemble("  ", (name, "bold"), f"  {address}/{link(experiment)}"), soft_wrap=True)
    if store.local:
        _run_server(store, port)


def _check_port(port: int) -> None:
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            raise InputError(f"--port {port}: it is in use by another program; choose another port") from None


def _run_server(store: Store, port: int) -> None:
    """Run an MLflow server as a child process until Ctrl-C or SIGTERM; it is stopped with this process."""
    command = [sys.executable, "-P", "-m", "mlflow", "server", "--backend-store-uri", store.tracking_uri]
    command += ["--artifacts-destination", store.artifacts.as_uri(), "--host", "127.0.0.1", "--port", str(port)]
    # One worker is faster than several on a small store, and the job runner would start eight idle processes.
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings["PYTHONSAFEPATH"] = "1"  # for the processes that the server starts
    # Not with the user's options of MLflow, which could change its address or its stores.
    others = {name: value for name, value in os.environ.items() if not name.lstrip("_").startswith("MLFLOW_")}
    server = subprocess.Popen([*command, "--workers", "1"], env=others | settings)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            raise InputError(f"the MLflow server ended by itself, with exit code {server.wait()}")
    finally:
        server.terminate()
        server.wait()
