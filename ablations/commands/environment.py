"""The environment of the command line: what a user's shell has set, and output streams of any encoding, closed, full or broken."""

import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console


def is_unicode() -> bool:
    """Whether standard output can show every character."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "").startswith("utf")


class Output(io.TextIOBase):
    """A stream that replaces characters it cannot show, and whose failures stop no command: `error` has the first one."""

    def __init__(self, stream: TextIO | None) -> None:
        """:param stream: None for a stream that was closed before the program started."""
        self.stream, self.error = stream, cast(OSError | None, None)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self.stream is not None and self.stream.isatty()

    def fileno(self) -> int:
        if self.stream is None:
            raise io.UnsupportedOperation("the stream is closed")
        return self.stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        try:
            if self.stream is not None and self.error is None:
                self.stream.write(text)
        except OSError as error:
            self._fail(error)
        return len(text)

    def flush(self) -> None:
        try:
            if self.stream is not None and self.error is None:
                self.stream.flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.error = error
        if self.stream is not None:  # what the stream has buffered is dropped when the interpreter flushes it at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


def prepare() -> Output:
    """Prepare the process of a command, and its children; returns standard output.

    Figures are only written to files, whatever backend a notebook or a desktop has set. Python imports no module from the
    current folder in child processes. A filter that makes warnings errors would fail commands in the libraries they use.
    """
    os.environ |= {"MPLBACKEND": "agg", "PYTHONSAFEPATH": "1"}
    os.environ.pop("PYTHONWARNINGS", None)
    sys.warnoptions.clear()
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):  # as Python does
        warnings.simplefilter("ignore", category)
    output = Output(sys.stdout)
    sys.stdout, sys.stderr = output, Output(sys.stderr)
    return output


def finish(output: Output, code: int) -> int:
    """Write what the output has buffered; returns the exit code of the command, or 2 if its output could not be written."""
    output.flush()
    if output.error is None or isinstance(output.error, BrokenPipeError):  # the reader of a pipe may stop reading
        return code
    print(f"whygates: the output cannot be written: {output.error.strerror}", file=sys.stderr)
    return code or 2


def console() -> Console:
    """Prints text without markup, as labels may contain anything; 160 columns wide unless on a terminal."""
    return Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else 160)


@contextmanager
def loading() -> Iterator[None]:
    """Show on a terminal that a command is being imported: PyTorch, MLflow and Optuna take seconds."""
    with console().status("loading"):
        yield


def print_data(data: Any, as_json: bool, show: Callable[[Any, Console], None]) -> None:
    """Print data as JSON, or as `show` does."""
    if as_json:
        print(json.dumps(data, indent=2, ensure_ascii=not is_unicode()))
    else:
        show(data, console())


def unusable(error: BaseException) -> str | None:
    """Describe an error of the machine: no space, no permission, no memory; None for other errors."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return "not enough memory" if isinstance(error, MemoryError) else None
