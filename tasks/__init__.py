"""Tasks with a lag: what a recurrent network has to remember, and for how long. A new task is one new file here."""

import importlib
import pkgutil

from tasks.base import Batch, Stream, Task, registry

__all__ = ["Batch", "Stream", "Task", "catalogue"]


def catalogue() -> dict[str, type[Task]]:
    """Every task by name: those in this folder and those a plug-in has defined."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    return dict(sorted(registry.items()))
