"""whygates: an ablation-study harness for recurrent networks.

The Python API (see `ablations.api`) is loaded at its first use, so that importing this package stays cheap: no torch.
"""

import os
import sys

# `python -m ablations` puts the current folder first on the import path: a file there called `copy.py` would be imported in
# place of the standard library's. The folder stays if this package is imported from there.
try:
    _current = os.getcwd()
except OSError:  # it was deleted
    _current = ""
_is_command = sys.orig_argv[-len(sys.argv) - 1 :][:2] == ["-m", "ablations"]
if (
    _is_command
    and sys.path[0] in ("", _current)
    and _current != os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
):
    del sys.path[0]

import importlib.util  # noqa: E402
from typing import TYPE_CHECKING, Any, NoReturn  # noqa: E402

if TYPE_CHECKING:
    from ablations.api import StudyResults, TrainedPopulation, load_results, train

__version__ = "0.1.0"
__all__ = ["StudyResults", "TrainedPopulation", "load_results", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from ablations import api

        return getattr(api, name)
    raise AttributeError(f"module 'ablations' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def _refuse(message: str, **details: str) -> NoReturn:
    """Raise ImportError. The command line instead prints the message and exits with 2, as for all unusable input.

    `python -m ablations` (argv[0] is "-m" at this point) and the script `whygates` import this package before the command line
    can catch an error.
    """
    if sys.argv[0] == "-m" or os.path.splitext(os.path.basename(sys.argv[0]))[0] == "whygates":
        print(message, file=sys.stderr)
        sys.exit(2)
    raise ImportError(message, **details)


def _refuse_missing_docstrings() -> None:
    """Refuse `python -OO`: equations, definitions of tasks and help texts are docstrings."""
    if sys.flags.optimize > 1:
        _refuse(
            "whygates reads equations from docstrings, which Python removes with -OO (PYTHONOPTIMIZE=2): run it without"
        )


def _refuse_shadowing() -> None:
    """Refuse to start if Python finds another module in place of `tasks` or `reports`.

    Both packages lie beside this one, in a checkout as in site-packages. Their names are common, so a `tasks.py` in the
    current folder or on PYTHONPATH would be imported instead. A folder `tasks` without `__init__.py` does no harm: Python
    prefers a package further down its search path.
    """
    folder = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    for name in ("tasks", "reports"):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue  # missing: its import raises a clear error
        if os.path.realpath(spec.origin) == os.path.join(folder, name, "__init__.py"):
            continue
        path = spec.origin.removesuffix(f"{os.sep}__init__.py")
        message = (
            f"whygates needs its own package `{name}`, but Python finds {path} first: "
            "rename it, or start Python in another folder"
        )
        _refuse(message, name=name, path=path)


if not _current:
    _refuse("the current folder was deleted, and torch cannot start in it: change to another one")
_refuse_missing_docstrings()
_refuse_shadowing()
