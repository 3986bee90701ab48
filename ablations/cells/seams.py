"""Check the signatures of the LSTM family's seams: what `remember`, `expose` and `gate` may take.

`lstm.py` imports the module, not its functions, so that the wording of a message is not part of a cell's source digest.
"""

import inspect
from collections.abc import Collection, Iterable

from ablations.errors import nearest

GATE = ("self", "name", "w", "drive", "state")
"""The parameters of `gate`, in order."""


def check(cls: type, state: Iterable[str], letters: Iterable[str]) -> None:
    """Raise TypeError if a seam of `cls` has a signature that `LSTMFamily.step` cannot call.

    `state`: the parts of the recurrent state. `letters`: the gates and candidates that can be computed. `remember` takes
    any of these, `w` and `drive`; `expose` takes the new memory `c_new` in place of the old memory `c`.
    """
    allowed = list(dict.fromkeys(("w", "drive", *state, *letters)))
    _check_names(cls, "remember", allowed)
    _check_names(cls, "expose", ["c_new" if name == "c" else name for name in allowed])
    gate = _parameters(cls, "gate")
    fixed = all(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in gate)
    if not fixed or tuple(p.name for p in gate) != GATE:
        _refuse(cls, "gate", f"its signature is ({', '.join(map(str, gate))}); allowed: ({', '.join(GATE)})")


def _check_names(cls: type, seam: str, allowed: Collection[str]) -> None:
    for parameter in _parameters(cls, seam)[1:]:
        name = parameter.name
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            _refuse(cls, seam, f"parameter `{parameter}` cannot be passed by name; name each argument that is needed")
        if seam == "expose" and name == "c":
            _refuse(cls, seam, "the new memory is called `c_new`; write `c_new` in place of `c`")
        if name not in allowed:
            _refuse(cls, seam, f"unknown parameter {name!r}{nearest(name, allowed)}")
        if parameter.default is not parameter.empty:
            _refuse(cls, seam, f"parameter {name!r} has a default value, which would never be used")


def _parameters(cls: type, seam: str) -> list[inspect.Parameter]:
    method = inspect.getattr_static(cls, seam, None)
    parameters = list(inspect.signature(method).parameters.values()) if inspect.isfunction(method) else []
    if not parameters or parameters[0].name != "self":
        _refuse(cls, seam, f"it has to be a method: def {seam}(self, ...)")
    return parameters


def _refuse(cls: type, seam: str, reason: str) -> None:
    raise TypeError(f"{cls.__name__}.{seam}: {reason}")
