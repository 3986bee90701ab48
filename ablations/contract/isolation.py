"""Isolation of plug-ins: the global state of the process is the same before and after code of a user has run.

Settings of torch, numpy, random generators and the process are restored. A function, class or constant of whygates, torch,
numpy or the standard library that was replaced is restored too, and reported as an error: the results of other cells would
have depended on it, while their content hashes do not.
"""

import gc
import locale
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import is_
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils._python_dispatch import _pop_mode

from ablations import probes as _probes  # noqa: F401
from ablations.engines import fused as _fused  # noqa: F401
from ablations.training import population as _population  # noqa: F401
from ablations.training import torch_state

# The three packages above, with what they import, decide the numbers. They are imported before any plug-in runs: a change
# of a module that is first imported by the plug-in itself would not be seen.

OWN = frozenset({"ablations", "tasks", "reports"})
WATCHED = OWN | {"torch", "numpy", "builtins", "math", "cmath", "random", "functools", "itertools", "operator", "time"}
"""Packages whose attributes may not be replaced: of `OWN` all, of the others functions and classes."""
_REWRAPPED = "manual_seed"
"""`torch.manual_seed` is wrapped by torch itself when its compiler is imported. Whygates does not use it."""
_TORCH_CLASSES = (torch.Tensor, torch.nn.Module, torch.autograd.Function, np.random.Generator)


class GlobalChange(Exception):
    """Code of a plug-in replaced attributes of other modules; the message names them."""


@contextmanager
def isolated() -> Iterator[None]:
    """Restore the global state of the process after the block, also if it raises.

    :raises GlobalChange: if attributes of watched modules were replaced, or a torch mode was left on.
    """
    settings = {name: get() for name, (get, _) in _SETTINGS.items()}
    attributes, modes, torch_settings = list(_attributes()), _torch_modes(), torch_state.current()
    try:
        yield
    finally:
        left_on = _restore_torch(torch_settings, modes)
        for name, (get, set_to) in _SETTINGS.items():
            if not _equal(get(), settings[name]):
                set_to(settings[name])
        replaced = [name for saved in attributes for name in saved.restore()]
    if replaced:
        more = f" and {len(replaced) - 3} more" if len(replaced) > 3 else ""
        raise GlobalChange(f"replaces {', '.join(replaced[:3])}{more}: other cells and tasks use the original")
    if left_on:
        raise GlobalChange("leaves a torch mode on: other cells and tasks would run under it")


class _Attributes(NamedTuple):
    """The attributes of a module or a class, or the entries of a dictionary, as they were."""

    name: str
    owner: Any
    values: Mapping[Any, Any]
    watched: Callable[[str, Any], bool] = lambda key, value: True
    """Whether a replacement of an attribute, which had a value, is undone."""

    def restore(self) -> list[str]:
        """Undo replacements; returns their names. Attributes that were only added stay: imports add submodules."""
        table = self.owner if isinstance(self.owner, dict) else vars(self.owner)
        if table.keys() == self.values.keys() and all(map(is_, table.values(), self.values.values())):
            return []  # the usual case, without a step of Python for each of a million attributes
        replaced = [k for k, v in self.values.items() if table.get(k, _ABSENT) is not v and self.watched(k, v)]
        bases = self.owner.__mro__[1:] if isinstance(self.owner, type) else ()
        added = [key for key in table if key not in self.values and any(key in vars(base) for base in bases)]
        for key in replaced:
            if isinstance(self.owner, dict):
                self.owner[key] = self.values[key]
            else:
                setattr(self.owner, key, self.values[key])
        for key in added:  # it hides an attribute of a base class
            delattr(self.owner, key)
        return [f"{self.name}.{key}" for key in (*replaced, *added)]


_ABSENT = object()


def _attributes() -> Iterator[_Attributes]:
    """The attributes of the watched modules, of the classes that they define, and the entries of their dictionaries."""
    yield _Attributes(
        "sys.modules", sys.modules, {n: m for n, m in sys.modules.items() if n.partition(".")[0] in WATCHED}
    )
    for module_name, module in list(sys.modules.items()):
        package = module_name.partition(".")[0]
        if package not in WATCHED or not isinstance(module, ModuleType):
            continue
        own = package in OWN
        yield _Attributes(module_name, module, dict(vars(module)), _of_own if own else _of_library)
        for name, value in list(vars(module).items()) if own else ():
            if name.startswith("__"):
                continue
            if isinstance(value, dict):
                yield _Attributes(f"{module_name}.{name}", value, dict(value))
            elif isinstance(value, type) and value.__module__ == module_name:
                yield _Attributes(f"{module_name}.{name}", value, dict(vars(value)))
    for kind in _TORCH_CLASSES:
        yield _Attributes(f"{kind.__module__}.{kind.__name__}", kind, dict(vars(kind)))


def _of_own(key: str, value: Any) -> bool:
    return not key.startswith("__")


def _of_library(key: str, value: Any) -> bool:
    return callable(value) and not key.startswith("__") and key != _REWRAPPED


class _TorchModes(NamedTuple):
    """The numbers of torch modes that are on."""

    function: int
    dispatch: int
    inference: int


def _torch_modes() -> _TorchModes:
    depths = torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()
    return _TorchModes(*depths, int(torch.is_inference_mode_enabled()))


def _restore_torch(settings: dict[str, Any], before: _TorchModes) -> bool:
    """Restore torch's settings and remove the modes that were added; returns whether any was left on.

    The default device is a function mode too, and not counted. Inference mode cannot be left from outside: every gradient
    under it is an error.
    """
    dispatch = torch._C._len_torch_dispatch_stack() - before.dispatch
    for _ in range(dispatch):  # first: settings are read by operations on tensors
        _pop_mode()
    if torch_state.current() != settings:
        torch_state.restore(settings)
    left_on = dispatch != 0 or _torch_modes() != before
    for _ in range(torch._C._len_torch_function_stack() - before.function):
        torch._C._pop_torch_function_stack()
    return left_on


def _equal(one: Any, other: Any) -> bool:
    """Whether two values of a setting are equal; the states of random generators contain arrays."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, torch.Tensor | np.ndarray):
        return bool((one == other).all())
    return bool(one == other)


_Setting = tuple[Callable[[], Any], Callable[[Any], object]]
"""The functions that get and set a setting."""


def _signal(number: signal.Signals) -> _Setting:
    return lambda: signal.getsignal(number), lambda handler: signal.signal(number, handler)


def _attribute(owner: Any, name: str) -> _Setting:
    return lambda: getattr(owner, name), lambda value: setattr(owner, name, value)


def _contents(values: Any) -> _Setting:
    return lambda: list(values), lambda before: values.__setitem__(slice(None), before)


def _environment() -> _Setting:
    def set_to(before: dict[str, str]) -> None:
        os.environ.clear()
        os.environ.update(before)

    return lambda: dict(os.environ), set_to


def _umask() -> int:
    mask = os.umask(0o077)  # it can be read only by setting it
    os.umask(mask)
    return mask


_SETTINGS: dict[str, _Setting] = {
    "torch's random generator": (torch.get_rng_state, torch.set_rng_state),
    "numpy's random generator": (lambda: np.random.get_state(), np.random.set_state),  # noqa: NPY002
    "numpy's handling of floating-point errors": (np.geterr, lambda before: np.seterr(**before)),
    "Python's random generator": (random.getstate, random.setstate),
    "environment": _environment(),
    "current folder": (os.getcwd, os.chdir),
    "umask": (_umask, os.umask),
    "locale": (lambda: locale.setlocale(locale.LC_ALL), lambda before: locale.setlocale(locale.LC_ALL, before)),
    "import path": _contents(sys.path),
    "import hooks": _contents(sys.meta_path),
    "warning filters": (lambda: list(warnings.filters), lambda before: _contents(warnings.filters)[1](before)),
    "recursion limit": (sys.getrecursionlimit, sys.setrecursionlimit),
    "garbage collection": (gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    "SIGINT": _signal(signal.SIGINT),
    "SIGTERM": _signal(signal.SIGTERM),
    **{f"sys.{name}": _attribute(sys, name) for name in ("stdin", "stdout", "stderr", "excepthook", "argv")},
}
