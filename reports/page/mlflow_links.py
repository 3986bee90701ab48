"""Where the runs behind a finding are: addresses in the MLflow UI that `whygates ui` serves, and filters to paste."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from reports.statistics.contrasts import Contrast

SERVER = "http://127.0.0.1:5000"
"""Where `whygates ui` serves by default."""


class Runs(NamedTuple):
    """A set of runs."""

    about: str
    filter: str
    """For the search field of MLflow's table of runs."""
    url: str
    """Empty where the number of the experiment is not known."""


def of_claim(tested: Sequence[Contrast], study: Mapping[str, Any]) -> list[Runs]:
    """The confirmation runs of each cell that a claim compares; of one task where it is about one."""
    tasks = list(dict.fromkeys(task for contrast in tested for task in contrast.tasks))
    cells = dict.fromkeys(cell for contrast in tested for cell in (contrast.a, contrast.b) if cell)
    found = []
    for cell in cells:
        where = {"kind": "member", "phase": "confirm", "cell": cell} | ({"task": tasks[0]} if len(tasks) == 1 else {})
        found.append(runs(cell, where, study))
    return [one for one in found if one.filter]


def examples(rows: Sequence[dict[str, Any]], study: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each row with the address of its run."""
    return [row | {"url": runs("", {"hash": str(row["hash"])}, study).url} for row in rows]


def runs(about: str, tags: Mapping[str, str], study: Mapping[str, Any]) -> Runs:
    """The runs with these tags. MLflow knows no escape for quotes: a label with both kinds has no filter."""
    quoted = {tag: _quoted(value) for tag, value in tags.items()}
    if not all(quoted.values()):
        return Runs(about, "", "")
    text = " and ".join(f"tags.{tag} = {value}" for tag, value in quoted.items())
    experiment = str(study.get("experiment", ""))
    if not re.fullmatch("[0-9]+", experiment):
        return Runs(about, text, "")
    query = f"searchFilter={quote(text, safe='')}&workflowType=machine_learning"
    return Runs(about, text, f"{SERVER}/#/experiments/{experiment}/runs?{query}")


def _quoted(value: str) -> str:
    for mark in ("'", '"'):
        if mark not in value:
            return f"{mark}{value}{mark}"
    return ""
