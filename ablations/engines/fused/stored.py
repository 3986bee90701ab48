"""Plans on disk: tracing a step takes seconds in each process, mostly to import torch's tracer; reading its plan, milliseconds.

A file is named by a hash of everything that a plan is made from: the source of the engine and of the cells, for a plug-in the
files beside it, the cell's options and declarations, the dtype and the version of torch. It also has what the step computed
when it was traced, values and gradients for random inputs, and is used only while the step computes the same: a step may depend on
more than its source, such as a constant that a package or an environment variable has. Files lie beside the kernels; they are JSON
with a checksum, and what cannot be read is traced again.
"""

import hashlib
import json
import linecache
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from ablations.cells import Cell
from ablations.engines.fused.build import NotBuilt, cache_folder
from ablations.engines.fused.graph import SIZES
from ablations.engines.fused.interface import Interface, content_of
from ablations.engines.fused.joint import random_inputs, step_of
from ablations.engines.fused.trace import AtSizes

T = TypeVar("T")
Options = Sequence[tuple[str, type, Any]]
"""The attributes of a cell: name, type and value."""
TOLERANCE = 1e-9
"""Largest difference in float64, relative or absolute, between what a step computed when it was traced and computes now."""
ROOT, PACKAGES = Path(__file__).parents[2], ("cells", "engines")
"""The packages of `ablations` whose source is part of every name."""


class Store:
    """The files of one cell: its plan, and what of it depends on sizes at some of them."""

    def __init__(self, cell: Cell, options: Options, dtype: torch.dtype) -> None:
        """A cell whose source or options have no text, or whose step fails, has no files: it is traced in every process."""
        self.name, self.behaviour = "", torch.zeros(0)
        try:
            name = _name(cell, options, dtype)
            self.behaviour = _behaviour(cell)
            self.name = name
        except Exception:  # a cell may raise anything; tracing it says what is wrong
            return

    def read(self, parse: Callable[[dict[str, Any]], T], *sizes: int) -> T | None:
        """Return what `write` has written for these sizes; None if there is nothing, or nothing of use."""
        try:
            checksum, _, text = self._path(sizes).read_text(encoding="utf-8").partition("\n")
            if checksum != _sha256(text):
                return None
            content = json.loads(text)
            then = torch.tensor(content.pop("behaviour"), dtype=torch.float64)
            return parse(content) if self._is_behaviour(then) else None
        except (
            OSError,
            NotBuilt,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
        ):  # no such file, or a damaged one
            return None

    def _is_behaviour(self, then: Tensor) -> bool:
        now = self.behaviour
        return then.shape == now.shape and torch.allclose(then, now, rtol=TOLERANCE, atol=TOLERANCE)

    def write(self, this: Interface | AtSizes, *sizes: int) -> None:
        """Write to a scratch file, then rename it. A folder that cannot be written, or what has no text, is no error."""
        try:
            path, text = self._path(sizes), json.dumps(content_of(this) | {"behaviour": self.behaviour.tolist()})
            scratch = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
            try:
                scratch.write_text(f"{_sha256(text)}\n{text}", encoding="utf-8")
                os.replace(scratch, path)
            finally:
                scratch.unlink(missing_ok=True)
        except (OSError, NotImplementedError, NotBuilt, TypeError):
            return

    def _path(self, sizes: tuple[int, ...]) -> Path:
        if not self.name:
            raise FileNotFoundError("a cell without files")
        return cache_folder() / f"{'-'.join([self.name, *map(str, sizes)])}.json"


def _name(cell: Cell, options: Options, dtype: torch.dtype) -> str:
    """The hash of what a plan is made from. Raises OSError or TypeError if something of it has no text."""
    kind, at = type(cell), SIZES[0]
    if getattr(sys.modules[kind.__module__], kind.__qualname__, None) is not kind:
        raise TypeError("a class that is not at the top of its module may use what the source does not show")
    declared = [[name, w.rows, w.columns, w.trained] for name, w in cell.weights(at["I"], at["H"]).items()]
    content = [
        [_own_source(), *(_source_beside(base) for base in kind.__mro__)],
        [kind.__module__ if _is_own(kind) else "", kind.__qualname__],
        [(name, of.__qualname__, value) for name, of, value in options],
        [declared, [[name, one.part] for name, one in cell.noise().items()], cell.state_sizes(at["H"]), cell.output],
        [str(dtype), torch.__version__],
    ]
    return _sha256(json.dumps(content))[:24]


def _is_own(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "ablations"


def source_files() -> list[Path]:
    """The files of the cells and engines."""
    return sorted(file for name in PACKAGES for kind in ("py", "hpp") for file in (ROOT / name).rglob(f"*.{kind}"))


@cache
def _own_source() -> str:
    """A hash of the files of the cells and engines."""
    named = (f"{file.relative_to(ROOT)}\0{file.read_text(encoding='utf-8')}\0" for file in source_files())
    return _sha256("".join(named))


def _source_beside(kind: type) -> list[str]:
    """Hashes of the file of a plug-in's class, and of the loaded modules beside it, which it may import."""
    if _is_own(kind) or kind.__module__ in ("builtins", "abc"):
        return []
    module = sys.modules[kind.__module__]
    text, folder = _text(module), _folder(module)
    if not text:
        raise TypeError(f"{kind.__qualname__} has no file")
    beside = {_sha256(_text(other)) for other in list(sys.modules.values()) if _folder(other) == folder}
    return [_sha256(text), *sorted(beside)]


def _text(module: Any) -> str:
    """The text of a module; that of a plug-in as it was when it was run, which is what `linecache` has."""
    file = getattr(module, "__file__", None) or ""
    linecache.checkcache(file)
    return "".join(linecache.getlines(file))


def _folder(module: Any) -> str | None:
    """The folder of a module that is a file in Python."""
    file = getattr(module, "__file__", None)
    return os.path.dirname(os.path.abspath(file)) if isinstance(file, str) and file.endswith(".py") else None


def _behaviour(cell: Cell) -> Tensor:
    """What the step computes for random weights, inputs and states: a projection of each new state and gradient."""
    w, x, s = random_inputs(cell, SIZES[0], torch.float64)
    leaves = [tensor.requires_grad_() for tensor in (*w, x, *s)]
    with torch.enable_grad():
        after = step_of(cell)(w, x, s)
        total = torch.stack([(part * part.detach().cos()).sum() for part in after]).sum()
        gradients = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    return torch.stack([_projection(tensor.detach().double()) for tensor in (*after, *gradients)])


def _projection(tensor: Tensor) -> Tensor:
    finite = tensor.nan_to_num(0.5, 2, -2).flatten()
    return finite @ torch.arange(1, 1 + len(finite), dtype=finite.dtype).cos()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
