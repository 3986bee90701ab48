"""`whygates ui`: a server process, its address, and how it stops."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.ablations.cli_runner import whygates


def test_the_server_serves_the_saved_view_until_it_is_terminated(swept: Path) -> None:
    port = 5000 + os.getpid() % 2000
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "ablations", "ui", "--port", str(port)]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    server = subprocess.Popen(
        command, cwd=swept, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
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
        server.terminate()
        assert server.wait(20) == 0
        with pytest.raises(URLError):
            urlopen(address)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.wait(20)
        server.stdout.close()
