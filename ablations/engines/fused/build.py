"""From a source to a loaded kernel: compiled once by the machine's compiler, kept by content, shared between processes."""

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
    """The kernel cannot be built here; the message says why."""


@cache
def compiler() -> str:
    """The C++ compiler: `$CXX`, else g++ or clang++. Raises NotBuilt when there is none."""
    for name in (os.environ.get("CXX"), "g++", "clang++", "c++"):
        if name and (found := shutil.which(name)):
            return found
    raise NotBuilt("no C++ compiler on this machine (install g++ or clang++, or set CXX)")


@cache
def _machine() -> str:
    """What a kernel is built for: the compiler and the processor it compiles to, as the compiler itself names them."""
    command = [compiler(), *FLAGS, "-Q", "--help=target"]
    seen = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if not seen:  # clang
        command = [compiler(), *FLAGS, "-###", "-x", "c++", os.devnull]
        seen = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False).stdout
    return version + seen + platform.machine()


def cache_folder() -> Path:
    """`$WHYGATES_CACHE`, else the user's cache folder; one below the temporary folder where neither can be written."""
    home = os.environ.get("WHYGATES_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for folder in (Path(home) / "whygates", Path(tempfile.gettempdir()) / f"whygates-{os.getuid()}"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    raise NotBuilt("no folder for compiled kernels can be written to (set WHYGATES_CACHE)")


def build(source: str, double: bool) -> ctypes.CDLL:
    """The kernel of a source, for float64 or float32. Raises NotBuilt."""
    flags = [*FLAGS, *(["-DDOUBLE", "-O1"] if double else [])]  # float64 is for checking: sooner beats faster
    key = hashlib.sha256("\0".join([source, *flags, _machine()]).encode()).hexdigest()[:24]
    library = cache_folder() / f"{key}.so"
    with FileLock(library.with_suffix(".lock")):  # another process may be at it: then its result is ours
        loaded = _load(library)
        if loaded is None:
            _compile(source, flags, library)
            loaded = _load(library)
    if loaded is None:
        raise NotBuilt(f"the compiled kernel {library} cannot be loaded")
    return loaded


def _compile(source: str, flags: list[str], library: Path) -> None:
    text = library.with_suffix(".cpp")
    text.write_text(source, encoding="utf-8")
    scratch = library.with_suffix(".part")
    done = subprocess.run(
        [compiler(), *flags, "-o", str(scratch), str(text)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotBuilt(f"{compiler()} refuses {text}: {(done.stderr.splitlines() or ['no message'])[0]}")
    os.replace(scratch, library)


def _load(library: Path) -> ctypes.CDLL | None:
    """The library, if it is there and whole; what is broken is taken away."""
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
    """A tensor as a kernel takes it."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def pointers(tensors: Collection[Tensor]) -> Any:
    """Several tensors as a kernel takes them."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
