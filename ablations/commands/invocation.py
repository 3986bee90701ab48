"""Default option values, and command lines that a user can paste into a shell."""

import os
import shlex
from pathlib import Path
from typing import Any

STORE = Path("whygates-store")
REPORTS = Path("whygates-report")
DEMO_REPORT = REPORTS / "smoke"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

_DEFAULTS = {"store": STORE, "workers": CORES, "engine": "auto", "out": DEMO_REPORT}


def shell_command(*words: str, **options: Any) -> str:
    """Return a `whygates` command line, quoted for a shell; options that have their default value are left out."""
    changed = [
        part for name, value in options.items() if value != _DEFAULTS[name] for part in (f"--{name}", str(value))
    ]
    return shlex.join(["whygates", *words, *changed])
