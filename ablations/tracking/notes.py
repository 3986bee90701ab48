"""The descriptions that MLflow shows, in Markdown: of an experiment, of the run of a study, and of the run of an arm.

Their links are fragments of the UI's address, so they work on any host and port.
"""

import json
from collections.abc import Mapping
from typing import Any

NOTE = "mlflow.note.content"
LONGEST = 5000
"""Characters of a note that MLflow servers take; newer ones take more."""


def of_experiment(manifest: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """A study's question, links, cells, tasks and numbers of networks.

    :param links: fragments of addresses by their text.
    """
    definition = manifest["definition"]
    cells = ", ".join(f"`{label}`" for label in manifest["cells"])
    tasks = ", ".join(f"`{label}`" for label in manifest["tasks"])
    text = (
        f"Cells: {cells}. Tasks: {tasks}. {len(manifest['arms'])} arms, each with {definition['tune']['searches']} searches of "
        f"{definition['tune']['trials']} trials and {definition['confirm']['seeds']} confirmation seeds."
    )
    joined = " · ".join(f"[{name}]({fragment})" for name, fragment in links.items())
    return _cut([definition["description"], joined, text])


def of_study(manifest: Mapping[str, Any], verdicts: list[dict[str, Any]]) -> str:
    """A study's question, and the verdicts of its report on the claims that were tested.

    :param verdicts: as verdicts.json has them.
    """
    tested = [one for one in verdicts if one["verdict"] != "not_tested"]
    rows = [f"| {one['id']}. {_cell(one['claim'])} | {one['verdict']} | {one['seeds']} |" for one in tested]
    table = "\n".join(["| claim | verdict | seeds |", "|---|---|--:|", *rows]) if rows else ""
    rest = f"Claims that were not tested: {len(verdicts) - len(tested)}." if len(verdicts) > len(tested) else ""
    preliminary = "Preliminary: fewer seeds than planned." if any(one["preliminary"] for one in tested) else ""
    return _cut([manifest["definition"]["description"], table, preliminary, rest])


def of_arm(manifest: Mapping[str, Any], cell: str, task: str) -> str:
    """A cell's equations and what it changes in its parent, and when a network has solved the task."""
    about = manifest["cells"].get(cell, {})
    parent = f"`{cell}` is `{about['parent']}` with one change: {about['change']}." if about.get("parent") else ""
    options = f"Options: `{json.dumps(about['options'], ensure_ascii=False)}`." if about.get("options") else ""
    equations = f"```text\n{about['equations']}\n```" if about.get("equations") else ""
    criterion = manifest["tasks"].get(task, {}).get("criterion")
    solved = f"A network has solved `{task}` with {criterion}." if criterion else ""
    return _cut([equations, parent, options, solved])


def _cell(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def _cut(paragraphs: list[str]) -> str:
    text = "\n\n".join(filter(None, paragraphs))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
