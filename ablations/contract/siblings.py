"""Imports of plug-ins: files beside a plug-in are importable while it runs, from the text that was first read.

A file is read once, and workers run the text that was read. An edit during a sweep therefore has no effect.
"""

import linecache
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import decode_source
from pathlib import Path
from types import ModuleType

texts: dict[str, str] = {}
"""The text of every file that was imported from beside a plug-in, by absolute path."""

ran: dict[str, ModuleType] = {}
"""The module of every plug-in and every file beside one, by absolute path: a file that is both runs once."""


def remember(path: str, text: str) -> None:
    """Make a text available to `inspect.getsource` and to tracebacks."""
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)


@contextmanager
def importable(plugin: Path) -> Iterator[None]:
    """Let imports find the files beside a plug-in, after all installed modules.

    :raises ImportError: if an earlier plug-in imported another file of the same name.
    """
    finder = _Finder(plugin.absolute().parent)
    for name, folder in sibling_folders().items():
        if folder != finder.folder and (finder.folder / f"{name}.py").is_file():
            raise ImportError(
                f"two plug-ins lie beside different files named {name}.py, in {folder} too: rename one of them"
            )
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def sibling_folders() -> dict[str, Path]:
    """Modules that were imported from a file beside a plug-in: name -> the folder of that file."""
    specs = {name: getattr(module, "__spec__", None) for name, module in list(sys.modules.items())}
    return {name: spec.loader.folder for name, spec in specs.items() if spec and isinstance(spec.loader, _Finder)}


class _Finder(MetaPathFinder, Loader):
    """Finds and loads the modules in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = str(self.folder / f"{name}.py")
        if path is None and (file in texts or file in ran or os.path.isfile(file)):
            return ModuleSpec(name, self, origin=file)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return ran.get(str(spec.origin))  # None: an ordinary module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        file = str(module.__spec__.origin)
        if file in ran:
            return
        if file not in texts:
            texts[file] = decode_source(Path(file).read_bytes())
        module.__file__ = file
        remember(file, texts[file])
        exec(compile(texts[file], file, "exec"), vars(module))
        ran[file] = module
