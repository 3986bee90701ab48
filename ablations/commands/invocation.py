"""Default option values, and command lines that a user can paste into a shell."""

import os
import shlex
from pathlib import Path
from typing import Any

STORE = Path("whygates-store")
REPORTS = Path("whygates-report")
DEMO = "smoke"
"""The study of the demo."""
DEMO_REPORT = REPORTS / DEMO
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

_DEFAULTS = {"store": STORE, "workers": CORES, "engine": "auto", "device": "auto", "out": DEMO_REPORT}


def shell_command(*words: str, **options: Any) -> str:
    """Return a `whygates` command line, quoted for a shell.

    Options that are empty or have their default value are left out; a list stands for an option that is repeated.
    """
    parts = ["whygates", *(f"./{word}" if word.startswith("-") else word for word in words)]  # no option
    for name, value in options.items():
        if value and value != _DEFAULTS.get(name):
            for item in value if isinstance(value, list) else [value]:
                parts += [f"--{name}", str(item)]
    return " ".join(map(_quoted, parts))


def _quoted(word: str) -> str:
    """A word quoted for a shell; one with control characters as bash, zsh and ksh write it, on one line."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode()) for c in escaped) + "'"
