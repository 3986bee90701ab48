"""whygates: an ablation-study harness for recurrent networks.

The Python API (see `ablations.api`) is loaded at its first use, so that importing this package stays cheap: no torch.
"""

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

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


def _refuse_shadowing() -> None:
    """Raise ImportError if Python finds another module in place of `tasks` or `reports`.

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
        # `python -m ablations` (argv[0] is "-m" at this point) and the script `whygates` import this package before the
        # command line can catch an error. They print one sentence and exit with 2, as they do for all unusable input.
        if sys.argv[0] == "-m" or os.path.splitext(os.path.basename(sys.argv[0]))[0] == "whygates":
            print(message, file=sys.stderr)
            sys.exit(2)
        raise ImportError(message, name=name, path=path)


_refuse_shadowing()
