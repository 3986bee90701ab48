"""The example plug-ins, edited copies of them, and the failures of contract checks."""

from collections.abc import Iterable
from pathlib import Path

from ablations.contract import Check, Kind, failure_message

EXAMPLES = Path(__file__).parents[3] / "examples"
CELL, TASK = (EXAMPLES / name for name in ("ugrnn.py", "delayed_match.py"))


def edited_copy(file: Path, folder: Path, old: str, new: str) -> Path:
    """A copy of a plug-in in which `old` is replaced by `new`."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    copy = folder / "mine.py"
    copy.write_text(text.replace(old, new), encoding="utf-8")
    return copy


def line_number(file: Path, start: str) -> int:
    """The number of the first line that starts with a text, indentation aside."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip().startswith(start))


def failures(kind: Kind, checks: Iterable[Check]) -> dict[str, str]:
    """The messages of the checks that fail, by check."""
    messages = {}
    for check in checks:
        try:
            check(kind)
        except Exception as error:
            messages[check.__name__] = failure_message(kind, error)
    return messages
