"""`whygates ui`: a server process, its address, and how it stops."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
import pytest
from mlflow import MlflowClient

import ablations
from ablations.sweeps.store import Store
from ablations.tracking.mlflow_view import KEY, PREFIX, port_of
from tests.ablations.cli_runner import whygates
from tests.browser import BROWSER, FLAGS

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
        lines = [server.stdout.readline() for _ in range(3)]
        assert lines[1] == f"MLflow UI on {address}, Ctrl-C stops it. The studies:\n"
        view = re.fullmatch(rf"tiny\s+({re.escape(address)}/#/experiments/\d+/runs\?.*)\n", lines[2])
        assert view, lines
        with urlopen(f"{address}/") as page:
            assert b"<html" in page.read().lower()
        assert port_of(Store(swept / "whygates-store")) == port
        if BROWSER:
            assert_pages_show_runs(address, view[1])
        second = whygates("ui", "--port", str(port), cwd=swept)
        assert second.code == 2
        assert "in use by another program" in second.stderr
        remote = whygates("ui", cwd=swept, MLFLOW_TRACKING_URI=address)
        assert remote.code == 0
        assert re.search(rf"tiny\s+{re.escape(address)}/#/experiments/", remote.stdout)
        assert_a_colleague_without_the_store_reads_the_study(tmp_path, swept, address)
        server.terminate()
        assert server.wait(20) == 0
        assert server.stdout.read() == ""  # the log of the server is not shown
        with pytest.raises(URLError):
            urlopen(address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait(20)
        server.stdout.close()


def assert_pages_show_runs(address: str, view: str) -> None:
    """Each saved view, the report and the links of the description show what they should, in a browser."""
    from playwright.sync_api import expect, sync_playwright

    client = MlflowClient(address)
    (experiment,) = [one for one in client.search_experiments() if one.name == "tiny"]
    views = {
        key.removeprefix(PREFIX): json.loads(tag)["name"]
        for key, tag in experiment.tags.items()
        if key.startswith(PREFIX)
    }
    assert {*views.values()} >= {"Confirmed", "Tuning"}
    best = re.search(r"\[Best network: (.*?)\]\((.*?)\)", experiment.tags["mlflow.note.content"])
    assert best
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=FLAGS.split())
        page = browser.new_page(viewport={"width": 1600, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        expect.set_options(timeout=60_000)
        page.goto(address)
        page.get_by_role("link", name="tiny", exact=True).first.click()
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
        assert "workflowType=machine_learning" in page.url
        for key, name in views.items():
            page.goto("about:blank")
            page.goto(view.replace(f"Key={KEY}&", f"Key={key}&"))
            expect(page.get_by_test_id("saved-views-trigger")).to_contain_text(name)
            expect(page.get_by_text(re.compile("[1-9][0-9]* matching runs?"))).to_be_visible()
            expect(page.locator(".js-plotly-plot, .parcoords").first).to_be_visible()
        page.goto("about:blank")
        page.goto(view)
        expect(page.locator(".js-plotly-plot .bars path").first).to_be_attached()  # it may have no width
        fills = page.locator(".js-plotly-plot .bars path").evaluate_all(
            "bars => bars.map(bar => getComputedStyle(bar).fill)"
        )
        assert {*fills} == {"rgb(92, 102, 112)", "rgb(0, 158, 115)"}  # the report's colours of rnn and gru
        page.goto("about:blank")
        page.goto(f"{address}/{best[2]}")
        expect(page.get_by_role("heading", name=best[1])).to_be_visible()
        browser.close()
    assert not errors


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
    local = [whygates(*command, cwd=swept) for command in COMMANDS]
    for here, there in zip(local, remote, strict=True):
        assert there._replace(stdout=there.stdout.replace(folder.as_uri(), swept.as_uri())) == here
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
