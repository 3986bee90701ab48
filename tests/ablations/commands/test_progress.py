"""What a sweep shows while it runs, and the command it says to go on with."""

import io
import re
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from ablations.cli import CORES, _command
from ablations.commands.progress import ABREAST, Display
from ablations.studies.study import Study
from ablations.sweeps.arm import ProbeProgress, TrainingProgress
from ablations.sweeps.workers.local import ArmOutcome


def test_a_command_to_go_on_with_can_be_pasted() -> None:
    told = _command(
        "sweep", "my study.toml", "--set", "cells=['rnn']", store=Path("a b"), workers=CORES + 1, engine="eager"
    )
    words = ["whygates", "sweep", "my study.toml", "--set", "cells=['rnn']"]
    assert shlex.split(told) == [*words, "--store", "a b", "--workers", str(CORES + 1), "--engine", "eager"]
    assert _command("ui", store=Path("whygates-store"), workers=CORES, engine="auto") == "whygates ui"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_display_takes_labels_and_errors_as_they_are_and_counts_what_was_known(terminal: bool) -> None:
    cells = [{"cell": "rnn", "label": "a[/x]"}, {"cell": "gru", "label": "b[red] :x:"}]
    tasks = [{"name": "recall", "lags": [2]}]
    study = Study.model_validate({"name": "odd", "cells": cells, "task": tasks})
    first, second = study.arms()
    shown = Console(
        file=io.StringIO(), markup=False, emoji=False, width=160, force_terminal=terminal, color_system=None
    )
    with Display(study, shown) as display:
        display.known({(first.hash, "confirm"): [1, 0]})
        display.delivered({"arm": first.hash, "phase": "confirm", "metrics": {"solved": 1}})
        display.progress(TrainingProgress(second.hash, "tune", 1, 2, 0.5))
        display.progress(ProbeProgress(second.hash, "flow", 1, 5))
        if display.live:
            display.live.refresh()
        display.warn("a[/warning]")
        display.stopping()
        ended = [ArmOutcome(first, "done"), ArmOutcome(second, "failed", "Trouble: d[k[/v]]")]
        for arm in ended:
            display.ended(arm)
    display.summary(ended)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert ("1/5 probing: flow" in text) is terminal
    assert "stopping: populations are being saved" in text
    for part in ("a[/x]", "b[red] :x:", "a[/warning]", "Trouble: d[k[/v]]", "2/3", "2 of 3 confirmed seeds solved"):
        assert part in text


def test_many_cells_have_a_row_each() -> None:
    cells = [
        {"cell": "lstm", "label": f"cell{number}", "init": {"forget_bias": number}} for number in range(ABREAST + 1)
    ]
    tasks = [{"name": "recall", "lags": [2, 3]}, {"name": "adding", "lags": [4]}]
    study = Study.model_validate({"name": "many", "cells": cells, "task": tasks, "sizes": [50]})
    shown = Console(file=io.StringIO(), width=60, color_system=None)
    display = Display(study, shown)
    display.known({(arm.hash, "confirm"): [1] * arm.lag for arm in study.arms() if arm.cell.label == "cell7"})
    display.summary([])
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"recall +┃ +lag 2 ┃ +lag 3", text)
    assert re.search(r"cell7 +│\s+2/2 │\s+3/3", text)
    assert re.search(r"adding +┃ +lag 4", text)
