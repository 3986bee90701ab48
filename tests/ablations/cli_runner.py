"""The command line in this process, with the error handling of its entry point."""

import contextlib
import io
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from ablations.__main__ import run


class Outcome(NamedTuple):
    """The exit code of a command, and what it printed."""

    code: int
    stdout: str
    stderr: str


def whygates(*arguments: str | Path, cwd: Path, **environment: str) -> Outcome:
    """Run a command in the folder `cwd`, with the default tracker unless `environment` names another.

    Plug-ins, signal handlers and torch settings of this process are restored afterwards.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    threads = torch.get_num_threads()
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(cwd),
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        restored_registries(),
    ):
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            code = run([str(argument) for argument in arguments])
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            torch.set_num_threads(threads)
            torch.set_flush_denormal(False)
    return Outcome(code, stdout.getvalue(), stderr.getvalue())


@contextlib.contextmanager
def restored_registries() -> Iterator[None]:
    """Remove the cells, tasks and plug-ins that are defined in the block when it ends."""
    import tasks
    from ablations.cells import base
    from ablations.contract import plugins, siblings

    tasks.catalogue()
    before = [
        (registry, dict(registry))
        for registry in (base.registry, tasks.registry, plugins._loaded, siblings.texts, siblings.ran)
    ]
    try:
        yield
    finally:
        for registry, entries in before:
            registry.clear()
            registry.update(entries)
        for name in siblings.sibling_folders():
            del sys.modules[name]
