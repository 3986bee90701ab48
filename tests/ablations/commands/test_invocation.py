"""Command lines to paste into a shell."""

import shlex
from pathlib import Path

from ablations.commands.invocation import CORES, DEMO_REPORT, STORE, shell_command


def test_a_shell_command_is_quoted_and_leaves_out_defaults() -> None:
    command = shell_command(
        "sweep", "my study.toml", "--set", "cells=['rnn']", store=Path("a b"), workers=CORES + 1, engine="eager"
    )
    words = ["whygates", "sweep", "my study.toml", "--set", "cells=['rnn']"]
    assert shlex.split(command) == [*words, "--store", "a b", "--workers", str(CORES + 1), "--engine", "eager"]
    assert shell_command("ui", store=STORE, workers=CORES, engine="auto", out=DEMO_REPORT) == "whygates ui"
