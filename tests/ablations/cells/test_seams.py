"""A seam with a signature that cannot be called is refused when its class is defined."""

import re

import pytest

from ablations.cells import base
from ablations.cells.lstm import LSTM, LSTMFamily

REMEMBER = "w, drive, h, c, i, f, z, o, n"
EXPOSE = "w, drive, h, c_new, i, f, z, o, n"
REFUSED = {
    "an unknown letter in remember": ("remember", lambda self, c, i, g: c, f"unknown parameter 'g'; allowed: {REMEMBER}"),
    "an unknown letter in expose": ("expose", lambda self, c_new, r: c_new, f"unknown parameter 'r'; allowed: {EXPOSE}"),
    "a misspelt name in remember": ("remember", lambda self, c, driv: c, f"unknown parameter 'driv'; did you mean 'drive'? allowed: {REMEMBER}"),
    "a misspelt name in expose": ("expose", lambda self, c_now: c_now, f"unknown parameter 'c_now'; did you mean 'c_new'? allowed: {EXPOSE}"),
    "the new memory in remember": ("remember", lambda self, c_new, z: z, f"unknown parameter 'c_new'; allowed: {REMEMBER}"),
    "the old memory in expose": ("expose", lambda self, c, o: o * c, "the new memory is called `c_new`; write `c_new` in place of `c`"),
    "any positional arguments": ("remember", lambda self, *gates: gates[0], "parameter `*gates` cannot be passed by name"),
    "any keyword arguments": ("expose", lambda self, c_new, **gates: c_new, "parameter `**gates` cannot be passed by name"),
    "a positional-only argument": ("remember", lambda self, c, /, z: c + z, "parameter `c` cannot be passed by name"),
    "a default": ("remember", lambda self, c, z=None: c, "parameter 'z' has a default value, which would never be used"),
    "no self": ("remember", lambda c, i, z: c + i * z, "it has to be a method: def remember(self, ...)"),
    "no parameters": ("expose", lambda: None, "it has to be a method: def expose(self, ...)"),
    "a static method": ("remember", staticmethod(lambda self, c: c), "it has to be a method: def remember(self, ...)"),
    "no method": ("expose", None, "it has to be a method: def expose(self, ...)"),
    "a gate with other parameters": ("gate", lambda self, name, w, x, state: x, "its signature is (self, name, w, x, state); allowed: (self, name, w, drive, state)"),
    "a gate with parameters in another order": ("gate", lambda self, name, drive, w, state: w, "its signature is (self, name, drive, w, state)"),
    "a gate with a default": ("gate", lambda self, name, w, drive, state=None: w, "its signature is (self, name, w, drive, state=None)"),
    "a gate with any arguments": ("gate", lambda self, *given: given, "its signature is (self, *given)"),
    "a gate with keyword-only arguments": ("gate", lambda self, name, w, drive, *, state: w, "its signature is (self, name, w, drive, state); allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_invalid_signature_is_refused_and_the_cell_is_not_registered(case):
    seam, method, message = REFUSED[case]
    with pytest.raises(TypeError, match=re.escape(f"Mine.{seam}: {message}")):
        type("Mine", (LSTM,), {"name": "mine", seam: method})
    assert "mine" not in base.registry


def test_a_missing_seam_is_refused():
    with pytest.raises(TypeError, match=r"Mine\.expose: it has to be a method"):
        type("Mine", (LSTMFamily,), {"remember": lambda self, c, z: c + z})


def test_an_inherited_seam_is_checked_against_the_letters_of_the_subclass():
    with pytest.raises(TypeError, match=r"Mine\.remember: unknown parameter 'f'; allowed: w, drive, h, c, i, z, o$"):
        type("Mine", (LSTM,), {"activation": {g: LSTM.activation[g] for g in "izo"}})


def test_every_allowed_name_can_be_taken_and_a_keyword_only_parameter_too():
    def remember(self, w, drive, h, c, i, f, z, *, o): ...

    def expose(self, w, drive, h, c_new, i, *, n): ...

    cell = type("Mine", (LSTM,), {"remember": remember, "expose": expose})
    assert cell.seam_arguments == {
        "remember": ("w", "drive", "h", "c", "i", "f", "z", "o"),
        "expose": ("w", "drive", "h", "c_new", "i", "n"),
    }
