"""The display of a sweep: progress, outcomes and the summary."""

import io
import re

import pytest
from rich.console import Console

from ablations.commands.progress import Display
from ablations.studies.study import Study
from ablations.sweeps.jobs import ProbeProgress, TrainingProgress
from ablations.sweeps.workers.outcome import ArmOutcome


@pytest.mark.parametrize("terminal", [False, True])
def test_labels_and_errors_are_printed_verbatim_and_earlier_members_count(terminal: bool) -> None:
    cells = [{"cell": "rnn", "label": "a[/x]"}, {"cell": "gru", "label": "b[red] :x:"}]
    tasks = [{"name": "recall", "lags": [2]}]
    budget = {"tune": {"searches": 1}, "confirm": {"seeds": 3}}
    study = Study.model_validate({"name": "odd", "cells": cells, "task": tasks, **budget})
    first, second = study.arms()
    file = io.StringIO()
    out = Console(file=file, markup=False, emoji=False, width=160, force_terminal=terminal, color_system=None)
    with Display(study.arms(), out) as display:
        display.add_solved({(first.hash, "confirm"): [1, 0]})
        display.delivered({"arm": first.hash, "phase": "confirm", "metrics": {"solved": 1}})
        display.progress(TrainingProgress(second.hash, "tune", 1, 2, 0.5))
        display.progress(ProbeProgress(second.hash, "flow", 1, 5))
        if display.live:
            display.live.refresh()
        display.warn("a[/warning]")
        display.stopping()
        outcomes = [ArmOutcome(first, "done"), ArmOutcome(second, "failed", "Trouble: d[k[/v]]")]
        for outcome in outcomes:
            display.ended(outcome)
    display.summary(outcomes)
    text = file.getvalue()
    assert ("1/5 probe: flow" in text) is terminal
    assert "Stopping: saving 1 population; interrupt again to stop at once" in text
    for part in ("a[/x]", "b[red] :x:", "a[/warning]", "Trouble: d[k[/v]]", "2/3", "2 of 3 confirmation seeds solved"):
        assert part in text


def test_cells_that_do_not_fit_side_by_side_are_rows_of_the_summary() -> None:
    cells = [{"cell": "lstm", "label": f"cell{number}", "init": {"forget_bias": number}} for number in range(9)]
    tasks = [{"name": "recall", "lags": [2, 3]}, {"name": "adding", "lags": [4]}]
    study = Study.model_validate({"name": "many", "cells": cells, "task": tasks, "sizes": [50]})
    file = io.StringIO()
    display = Display(study.arms(), Console(file=file, width=60, color_system=None))
    display.add_solved({(arm.hash, "confirm"): [1] * arm.lag for arm in study.arms() if arm.cell.label == "cell7"})
    display.summary([])
    text = file.getvalue()
    assert re.search(r"recall +┃ +lag 2 ┃ +lag 3", text)
    assert re.search(r"cell7 +│\s+2/2 │\s+3/3", text)
    assert re.search(r"adding +┃ +lag 4", text)


@pytest.mark.parametrize("cells", [2, 9])
def test_the_summary_leaves_out_what_a_study_of_parts_does_not_have(cells: int) -> None:
    """Parts: some cells at lag 2, and one more lag for the first of them."""
    labels = [f"cell{number}" for number in range(cells)]
    part = {"name": "a", "sizes": [50], "cells": [{"cell": "rnn", "label": label, "init": {"recurrent_init": ["uniform", "identity"][k > 0]}, "layers": k + 1} for k, label in enumerate(labels)]}  # fmt: skip
    parts = [part | {"task": [{"name": "recall", "lags": [2]}]}, part | {"name": "b", "cells": part["cells"][:1], "task": [{"name": "recall", "lags": [3]}]}]  # fmt: skip
    study = Study.model_validate({"name": "parts", "parts": parts})
    file = io.StringIO()
    display = Display(study.arms(), Console(file=file, width=60, color_system=None))
    display.add_solved({(arm.hash, "confirm"): [1, 0] for arm in study.arms()})
    display.summary([])
    assert file.getvalue().count("1/2") == cells + 1
