"""Load the Triton module of a cell.

Input: a source from `emit`. Output: the loaded module; Triton compiles its kernels when they are first launched, and caches
them on disk. Next stage: `run`.
"""

import hashlib
import importlib.util
import os
from functools import cache
from types import ModuleType

import torch

from ablations.engines.fused.build import NotBuilt, cache_folder


class Unavailable(Exception):
    """The engine does not run here, or not at these sizes; the message says why."""


def require_available(device: torch.device) -> None:
    """Raise Unavailable unless kernels can run on a device: on a GPU, or anywhere in Triton's interpreter."""
    if importlib.util.find_spec("triton") is None:
        raise Unavailable('triton is not installed; pip install "whygates[gpu]" installs it')
    if device.type != "cuda" and not interprets():
        raise Unavailable("it runs on a GPU only; with --device cpu, the fused engine compiles cells")


def interprets() -> bool:
    """Whether Triton's interpreter runs the kernels, for tests: Triton reads this variable when a kernel is defined."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@cache
def load(source: str) -> ModuleType:
    """Return the module of a source. It is a file, as Triton reads the text of its functions. Raises Unavailable."""
    name = f"whygates_{hashlib.sha256(source.encode()).hexdigest()[:24]}"
    try:
        path = cache_folder() / f"{name}.py"
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_text(source + "\n", encoding="utf-8")
        os.replace(scratch, path)  # another process may be reading it
    except (OSError, NotBuilt) as error:
        raise Unavailable(f"its source cannot be written: {error}") from None
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
