"""Shell completion of study, cell and task names.

Names are read from the text of the source files: importing the catalogues takes seconds.
"""

import glob
import re
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def complete_study(incomplete: str) -> list[str]:
    """Return the presets, and the TOML files whose path starts with `incomplete`."""
    presets = [path.stem for path in (_PACKAGE / "studies" / "presets").glob("*.toml")]
    return sorted(presets) + sorted(glob.glob(f"{glob.escape(incomplete)}*.toml"))


def complete_cell() -> list[str]:
    """Return the names of the built-in cells."""
    return _names(_PACKAGE / "cells")


def complete_task() -> list[str]:
    """Return the names of the built-in tasks."""
    spec = find_spec("tasks")  # locates the package without importing it
    return [name for folder in (spec and spec.submodule_search_locations) or () for name in _names(Path(folder))]


def _names(folder: Path) -> list[str]:
    """The values that class bodies in a folder's modules assign to `name`."""
    texts = (path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    return sorted(name for text in texts for name in re.findall(r'^    name\b[^=\n]*= "(\w+)"', text, re.MULTILINE))
