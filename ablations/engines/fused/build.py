"""Compile a kernel and load it.

Input: a C++ source from `emit`. Output: a loaded shared library. Next stage: `run`.

Libraries are cached on disk under a hash of source, flags, compiler and processor; processes share the cache.
"""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

FLAGS = ("-std=c++17", "-O2", "-march=native", "-fno-math-errno", "-fPIC", "-shared", "-pthread")
"""Without `errno`, which no kernel reads, square roots are those of vectors, with the same results."""


class NotBuilt(Exception):
    """A kernel cannot be compiled or loaded on this machine; the message says why."""


@cache
def compiler() -> tuple[str, ...]:
    """Return the command of the C++ compiler: `$CXX`, which may have options or a launcher, else g++, clang++ or c++.

    Raises NotBuilt if there is none.
    """
    for command in (os.environ.get("CXX", ""), "g++", "clang++", "c++"):
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise NotBuilt(f"CXX={command!r} is not a command: {error}") from None
        if words and (path := shutil.which(words[0])):
            return path, *words[1:]
    raise NotBuilt("there is no C++ compiler on this machine; install g++ or clang++, or set CXX")


def _run_compiler(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the compiler. Raises NotBuilt if it cannot be run."""
    try:
        return subprocess.run([*compiler(), *arguments], capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        raise NotBuilt(f"the C++ compiler {shlex.join(compiler())} cannot be run: {error.strerror}") from None


@cache
def _machine() -> str:
    """The compiler's version and its description of the processor that `-march=native` selects."""
    target = _run_compiler(*FLAGS, "-Q", "--help=target").stdout
    if not target:  # clang
        target = _run_compiler(*FLAGS, "-###", "-x", "c++", os.devnull).stderr
    return _run_compiler("--version").stdout + target + platform.machine()


def cache_folder() -> Path:
    """Return the folder of compiled kernels and plans, and create it.

    It is in `$WHYGATES_CACHE`, else in the user's cache folder; if that cannot be written, in the temporary folder. Raises
    NotBuilt if none can be written.
    """
    user = os.environ.get("WHYGATES_CACHE") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    for parent, name in ((user, "whygates"), ("", f"whygates-{os.getuid()}")):
        try:
            folder = Path(parent or tempfile.gettempdir()).expanduser() / name
            folder.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError):  # no permission, a file of that name, or a user without a home
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise NotBuilt("no folder for compiled kernels can be written; set WHYGATES_CACHE to one that can")


def build(source: str, double: bool) -> ctypes.CDLL:
    """Return the loaded kernel of a source, in float64 or float32. Raises NotBuilt."""
    # float64 is for tests: compile time matters more than speed.
    flags = [*FLAGS, *(["-DDOUBLE", "-O0"] if double else [])]
    parts = [source, *flags, *compiler()[1:], _machine()]
    library = cache_folder() / f"{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}.so"
    if loaded := _load(library):
        return loaded
    try:
        with FileLock(library.with_suffix(".lock")):  # another process may be compiling the same kernel
            if not (loaded := _load(library)):
                _compile(source, flags, library)
                loaded = _load(library)
    except (OSError, NotImplementedError) as error:  # no space, no permission, no locks
        raise NotBuilt(f"{getattr(error, 'strerror', None) or error} in {library.parent}") from None
    if loaded is None:
        raise NotBuilt(f"the compiled kernel {library} cannot be loaded")
    return loaded


def _compile(source: str, flags: list[str], library: Path) -> None:
    """Compile to a scratch file, then rename it: an interrupted or failed compilation leaves no library."""
    text, scratch = library.with_suffix(".cpp"), library.with_suffix(".part")
    try:
        text.write_text(source, encoding="utf-8")
        done = _run_compiler(*flags, "-o", str(scratch), str(text))
        if done.returncode or not scratch.exists():
            reason = (done.stderr.splitlines() or ["it wrote no library and no message"])[0]
            raise NotBuilt(f"{shlex.join(compiler())} cannot compile {text}: {reason}")
        os.replace(scratch, library)
    except OSError:
        text.unlink(missing_ok=True)
        raise
    finally:
        scratch.unlink(missing_ok=True)


def _load(library: Path) -> ctypes.CDLL | None:
    """Load the library; None if it is missing, damaged or lacks a function."""
    if not library.exists():
        return None
    try:
        loaded = ctypes.CDLL(str(library))
        for name in ("needs", "forward", "backward"):
            getattr(loaded, name)
    except (OSError, AttributeError):
        return None
    return loaded


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return a tensor's address as an argument of a kernel; null for None."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def pointers(tensors: Collection[Tensor]) -> Any:
    """Return an array of tensors' addresses as an argument of a kernel."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
