"""Command lines to paste into a shell."""

import shlex
from pathlib import Path

from ablations.commands.invocation import CORES, DEMO_REPORT, STORE, shell_command


def test_a_shell_command_is_quoted_and_leaves_out_defaults() -> None:
    command = shell_command(
        "sweep", "my study.toml", plugin=[Path("c d.py")], set=["cells=['rnn']", "seed=1"], store=Path("a b"),
        workers=CORES + 1, engine="eager",
    )  # fmt: skip
    assert shlex.split(command) == [
        "whygates", "sweep", "my study.toml", "--plugin", "c d.py", "--set", "cells=['rnn']", "--set", "seed=1",
        "--store", "a b", "--workers", str(CORES + 1), "--engine", "eager",
    ]  # fmt: skip
    assert (
        shell_command("ui", plugin=None, set=[], store=STORE, workers=CORES, engine="auto", out=DEMO_REPORT)
        == "whygates ui"
    )
