"""Links to the runs behind a finding: addresses in the MLflow UI, and filters for its search field."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from reports.statistics.contrasts import Contrast

SERVER = "http://127.0.0.1:5000"
"""Address of the UI for tables that do not name it."""


class Runs(NamedTuple):
    """A set of runs in MLflow."""

    about: str
    """The text of the link."""
    filter: str
    """Text for the search field of MLflow's table of runs; empty if no filter can select them."""
    url: str
    """Empty if the number of the experiment is unknown."""


def of_claim(tested: Sequence[Contrast], study: Mapping[str, Any]) -> list[Runs]:
    """The confirmation runs of each cell that a claim compares; if it concerns a single task, only those on it."""
    tasks = list(dict.fromkeys(task for contrast in tested for task in contrast.tasks))
    cells = dict.fromkeys(cell for contrast in tested for cell in (contrast.a, contrast.b) if cell)
    one_task = {"task": tasks[0]} if len(tasks) == 1 else {}
    links = [
        linked_runs(cell, {"kind": "member", "phase": "confirm", "cell": cell, **one_task}, study) for cell in cells
    ]
    return [link for link in links if link.filter]


def with_urls(rows: Sequence[dict[str, Any]], study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Add to each row the address of its run, as `url`.

    :param rows: members with their `hash`.
    """
    return [row | {"url": linked_runs("", {"hash": str(row["hash"])}, study).url} for row in rows]


def linked_runs(about: str, tags: Mapping[str, str], study: Mapping[str, Any]) -> Runs:
    """The link to the runs with these tags in the study's experiment, best score first.

    MLflow cannot escape quotes: a value with both kinds of quotes has neither filter nor address.

    :param about: the text of the link.
    :param study: the study's manifest: `experiment`, the number of its experiment, and `mlflow`, the address of the server.
    """
    quoted = {tag: _quoted(value) for tag, value in tags.items()}
    if not all(quoted.values()):
        return Runs(about, "", "")
    text = " and ".join(f"tags.{tag} = {value}" for tag, value in quoted.items())
    experiment = str(study.get("experiment", ""))
    if not re.fullmatch("[0-9]+", experiment):
        return Runs(about, text, "")
    named = str(study.get("mlflow", SERVER))
    server = named if re.fullmatch(r"https?://[\w.:\[\]/~%-]+", named) else SERVER
    order = quote("metrics.`score`", safe="")
    query = f"searchFilter={quote(text, safe='')}&orderByKey={order}&orderByAsc=false&workflowType=machine_learning"
    return Runs(about, text, f"{server}/#/experiments/{experiment}/runs?{query}")


def _quoted(value: str) -> str:
    """The value in quotes that it does not contain; empty if it contains both kinds."""
    for mark in ("'", '"'):
        if mark not in value:
            return f"{mark}{value}{mark}"
    return ""
