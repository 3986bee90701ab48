"""Compile a kernel and load it.

Input: a C++ source from `emit`. Output: a loaded shared library. Next stage: `run`.

Libraries are cached on disk under a hash of source, flags, compiler and processor; processes share the cache.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import Tensor

FLAGS = ("-std=c++17", "-O2", "-march=native", "-fPIC", "-shared", "-pthread")


class NotBuilt(Exception):
    """A kernel cannot be compiled or loaded on this machine; the message says why."""


@cache
def compiler() -> str:
    """Return the path of the C++ compiler: `$CXX`, else g++, clang++ or c++. Raises NotBuilt if there is none."""
    for name in (os.environ.get("CXX"), "g++", "clang++", "c++"):
        if name and (path := shutil.which(name)):
            return path
    raise NotBuilt("there is no C++ compiler on this machine; install g++ or clang++, or set CXX")


@cache
def _machine() -> str:
    """The compiler's version and its description of the processor that `-march=native` selects."""
    command = [compiler(), *FLAGS, "-Q", "--help=target"]
    target = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if not target:  # clang
        command = [compiler(), *FLAGS, "-###", "-x", "c++", os.devnull]
        target = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False).stdout
    return version + target + platform.machine()


def cache_folder() -> Path:
    """Return the folder of compiled kernels, and create it.

    It is in `$WHYGATES_CACHE`, else in the user's cache folder; if that cannot be written, in the temporary folder. Raises
    NotBuilt if none can be written.
    """
    home = os.environ.get("WHYGATES_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for folder in (Path(home) / "whygates", Path(tempfile.gettempdir()) / f"whygates-{os.getuid()}"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise NotBuilt("no folder for compiled kernels can be written; set WHYGATES_CACHE to one that can")


def build(source: str, double: bool) -> ctypes.CDLL:
    """Return the loaded kernel of a source, in float64 or float32. Raises NotBuilt."""
    flags = [
        *FLAGS,
        *(["-DDOUBLE", "-O1"] if double else []),
    ]  # float64 is for tests: compile time matters more than speed
    key = hashlib.sha256("\0".join([source, *flags, _machine()]).encode()).hexdigest()[:24]
    library = cache_folder() / f"{key}.so"
    with FileLock(library.with_suffix(".lock")):  # another process may be compiling the same kernel
        loaded = _load(library)
        if loaded is None:
            _compile(source, flags, library)
            loaded = _load(library)
    if loaded is None:
        raise NotBuilt(f"the compiled kernel {library} cannot be loaded")
    return loaded


def _compile(source: str, flags: list[str], library: Path) -> None:
    """Compile to a scratch file, then rename it: an interrupted compilation leaves no library."""
    text = library.with_suffix(".cpp")
    text.write_text(source, encoding="utf-8")
    scratch = library.with_suffix(".part")
    done = subprocess.run(
        [compiler(), *flags, "-o", str(scratch), str(text)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotBuilt(f"{compiler()} cannot compile {text}: {(done.stderr.splitlines() or ['no message'])[0]}")
    os.replace(scratch, library)


def _load(library: Path) -> ctypes.CDLL | None:
    """Load the library if it exists; delete it if it is damaged."""
    if not library.exists():
        return None
    try:
        loaded = ctypes.CDLL(str(library))
        for name in ("needs", "forward", "backward"):
            getattr(loaded, name)
    except (OSError, AttributeError):
        library.unlink()
        return None
    return loaded


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Return a tensor's address as an argument of a kernel; null for None."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def pointers(tensors: Collection[Tensor]) -> Any:
    """Return an array of tensors' addresses as an argument of a kernel."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
