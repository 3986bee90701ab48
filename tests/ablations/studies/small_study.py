"""The TOML text of a small study, and changes to a file with it."""

from pathlib import Path

SMALL_STUDY = """
name = "small"
cells = ["rnn", { cell = "lstm", label = "lstm+bias0", init = { forget_bias = 0 } }]
sizes = [100]

[[task]]
name = "recall"
lags = [2, 3]

[[task]]
name = "continual_adding"
reset = true
lags = [4]

[tune]
searches = 2
trials = 3

[confirm]
seeds = 4
"""


def replaced(path: Path, old: str, new: str) -> str:
    """Replace text in a file that contains it; returns the path."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return str(path)
