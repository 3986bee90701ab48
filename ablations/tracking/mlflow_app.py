"""The MLflow server of `whygates ui`: MLflow's own, whose pages show studies as machine learning unless the user chose otherwise.

By default, MLflow's UI opens an experiment as GenAI, with empty pages of traces, opens its assistant, and gives groups of runs colours
by chance, which may be equal. It reads these choices from the browser's storage, under keys that are undocumented (as of MLflow 3.17);
a version that does not know them shows its default.
`mlflow server --app-name whygates` finds `app` by the entry point in pyproject.toml.
"""

import json
import os
from pathlib import Path

from flask import Response
from mlflow.server import app as pages
from mlflow.server.fastapi_app import app

__all__ = ["app"]

CHOICES = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
}
"""What the browser's storage has from the first visit on."""
COLORS = "WHYGATES_COLORS"
"""Variable with the colours of groups of runs, as JSON."""
SCRIPT = """<script>
for (const [key, value] of Object.entries(%s))
  if (localStorage.getItem(key) === null) localStorage.setItem(key, JSON.stringify(value));
const colors = JSON.parse(localStorage.getItem("experimentRunColors") ?? "{}");
localStorage.setItem("experimentRunColors", JSON.stringify({...%s, ...colors}));
</script>"""


def index() -> Response:
    """The page of the UI, with the script before its own."""
    page = Path(str(pages.static_folder), "index.html").read_text(encoding="utf-8")
    script = SCRIPT % (
        json.dumps(CHOICES),
        json.dumps(json.loads(os.environ.get(COLORS, "{}"))).replace("<", r"\u003c"),
    )
    return Response(page.replace("<head>", f"<head>{script}", 1), mimetype="text/html")


if "serve" in pages.view_functions:
    pages.view_functions["serve"] = index
