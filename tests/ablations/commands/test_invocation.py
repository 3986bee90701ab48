"""Command lines to paste into a shell."""

import shlex
import subprocess
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


def test_a_shell_reads_every_word_as_it_was_given() -> None:
    words = ["a b", "it's", 'say "x"', "$HOME", "exp#2", "back\\slash", "Größe🎉", "a;b&c", "*", "~", "!x", "a\u00a0b"]
    words += ["two\nlines", "tab\tab", "\x1b[31m", "it's\n\\n", "\x01f", "\u202eü\u2028", "'\n'"]
    command = shell_command("sweep", *words, set=words, store=Path("\n"))
    assert command.isprintable()
    script = f"whygates() {{ printf '%s\\0' \"$@\"; }}; {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    options = [part for word in words for part in ("--set", word)]
    assert done.stdout.split("\0") == ["sweep", *words, *options, "--store", "\n", ""]


def test_a_file_whose_name_starts_with_a_dash_is_no_option() -> None:
    assert shell_command("sweep", "-x.toml") == "whygates sweep ./-x.toml"
