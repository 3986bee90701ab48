"""Long-lag tasks for recurrent networks. One file is one task; a new task is a new file in this folder."""

import importlib
import pkgutil
from functools import cache

from tasks.base import Batch, Stream, Task, registry

__all__ = ["Batch", "Stream", "Task", "catalogue", "registry"]


def catalogue() -> dict[str, type[Task]]:
    """Return every task by name, sorted: those of this folder and those defined by plug-ins."""
    _import_all()
    return dict(sorted(registry.items()))


@cache
def _import_all() -> None:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
