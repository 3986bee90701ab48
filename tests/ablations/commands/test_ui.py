"""`whygates ui`: a server process, its address, and how it stops."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest
from mlflow import MlflowClient

import ablations
from tests.ablations.cli_runner import whygates

COMMANDS = (("status", "tiny", "--json"), ("report", "tiny"))


def test_the_server_serves_the_saved_view_and_the_study_until_it_is_terminated(swept: Path, tmp_path: Path) -> None:
    port = 5000 + os.getpid() % 2000
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "ablations", "ui", "--port", str(port)]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    others = {"MLFLOW_STATIC_PREFIX": "/elsewhere", "MLFLOW_WORKERS": "many", "MLFLOW_SERVE_ARTIFACTS": "false"}
    server = subprocess.Popen(
        command, cwd=swept, env=environment | others, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stdout
    try:
        printed = server.stdout.readline() + server.stdout.readline()
        assert re.search(rf"tiny\s+{re.escape(address)}/#/experiments/\d+/runs\?.*viewStateShareKey=whygates", printed)
        for _ in range(300):
            try:
                with urlopen(f"{address}/") as page:
                    assert b"<html" in page.read().lower()
                break
            except OSError:
                time.sleep(0.1)
        else:
            pytest.fail("the server did not start within 30 s")
        second = whygates("ui", "--port", str(port), cwd=swept)
        assert second.code == 2
        assert "in use by another program" in second.stderr
        remote = whygates("ui", cwd=swept, MLFLOW_TRACKING_URI=address)
        assert remote.code == 0
        assert re.search(rf"tiny\s+{re.escape(address)}/#/experiments/", remote.stdout)
        Thread(target=server.stdout.read, daemon=True).start()  # the server waits where nobody reads its log
        assert_a_colleague_without_the_store_reads_the_study(tmp_path, swept, address)
        server.terminate()
        assert server.wait(20) == 0
        with pytest.raises(URLError):
            urlopen(address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait(20)
        server.stdout.close()


def assert_a_colleague_without_the_store_reads_the_study(folder: Path, swept: Path, address: str) -> None:
    history, learning = MlflowClient.get_metric_history, "eval/score"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        # A thousand requests would take a minute: of the curves, only those of one metric are read.
        patch.setattr(
            MlflowClient,
            "get_metric_history",
            lambda self, run, metric: history(self, run, metric) if metric == learning else [],
        )
        remote = [whygates(*command, cwd=folder, MLFLOW_TRACKING_URI=address) for command in COMMANDS]
        confirmed = ablations.load_results(folder / "nowhere", "tiny").confirm
        refused = whygates("inspect", confirmed["hash"].iloc[0], cwd=folder, MLFLOW_TRACKING_URI=address)
        unknown = whygates("status", "other", cwd=folder, MLFLOW_TRACKING_URI=address)
    assert remote == [whygates(*command, cwd=swept) for command in COMMANDS]
    for table in ("results.csv", "curves.csv"):
        here, there = (pd.read_csv(place / "whygates-report" / "tiny" / table) for place in (swept, folder))
        if table == "curves.csv":
            here = here[here["metric"] == learning].reset_index(drop=True)
        pd.testing.assert_frame_equal(here, there)
    assert len(confirmed) == 16
    expected = f"the weights of {confirmed['hash'].iloc[0]} are only in the store that it was trained in"
    assert refused == (2, "", f"whygates: --store whygates-store: {expected}\n")
    assert "study 'other' was never swept into this store, which has: tiny" in unknown.stderr
    assert [path.name for path in folder.iterdir()] == ["whygates-report"]
