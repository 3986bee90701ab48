"""Content hashes, and seeds derived from content. Two results have the same hash if and only if their inputs are equal."""

import ast
import hashlib
import inspect
import json
import os
import sys
from functools import cache
from types import ModuleType
from typing import Any

RESULTS_VERSION = 2
"""Part of every content hash. It is raised when a change of training, optimiser, evaluation, initialisation or the derivation
of seeds changes numbers, so that networks of the old numbers are not taken for results of the new code. tests/test_golden.py
fails until it is."""


ADDED = {"ablations.cells.base": {"trained", "initial_state", "noise"}, "tasks.base": {"split_stream"}}
"""By module, attributes of classes that the contract gained since this version. Without them every number is what it was, and a
class that uses one names it in its own source: hashes leave them out, so that earlier results stay valid."""


def digest(*content: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of JSON-like content; the order of keys does not matter."""
    return hashlib.sha256(_canonical(content)).hexdigest()[:16]


def derive_seed(*content: Any) -> int:
    """A 48-bit seed from the SHA-256 of JSON-like content: float64 columns of tables represent it exactly."""
    return int.from_bytes(hashlib.sha256(_canonical(content)).digest()[:6], "big")


@cache
def source_digest(kind: type) -> str:
    """A digest of the source that a class depends on, taken from syntax trees: comments and docstrings do not count.

    Of `ablations` and `tasks`: the class, its base classes, and the functions, classes, constants and imports that they use.
    Of a plug-in: its whole file, and the files beside it that it imports, with what they use of `ablations` and `tasks`.

    :raises ValueError: if the source cannot be read.
    """
    module, sources = sys.modules[kind.__module__], _Sources()
    try:
        if kind.__qualname__ not in _definitions(module):
            raise ValueError(f"the source of {kind.__qualname__} cannot be read: it is not at the top of a module")
        sources.use(module, kind.__qualname__)
    except (OSError, TypeError) as error:
        raise ValueError(f"the source of {kind.__qualname__} cannot be read: {error}") from None
    return digest(sorted(sources.texts.values()))


class _Sources:
    """The statements that a class depends on."""

    def __init__(self) -> None:
        self.texts: dict[tuple[str, str], list[str]] = {}
        """By module and name; the name is empty for a whole module, and for statements that define no single name."""

    def use(self, module: ModuleType, name: str) -> None:
        """Add what defines a name in a module: of `ablations` and `tasks` its definition, of other modules all of them."""
        if not _is_own(module):
            self._add(module, "", _tree(module).body)
            return
        if statements := _definitions(module).get(name):
            self._add(module, name, statements)
            # Branches, loops, augmented assignments, calls and star imports may change any definition of the module.
            others = [statement for statement in _tree(module).body if not isinstance(statement, _DEFINITIONS)]
            self._add(module, "", others + _definitions(module).get("*", []))

    def _add(self, module: ModuleType, name: str, statements: list[ast.stmt]) -> None:
        if (module.__name__, name) in self.texts:
            return
        texts = self.texts[module.__name__, name] = list[str]()
        for node in (node for statement in statements for node in ast.walk(statement)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    self._import(module, node, alias, texts)
            elif isinstance(node, ast.Name) and _is_own(module):
                self.use(module, node.id)
        texts += [ast.unparse(one) for one in statements if not isinstance(one, ast.Import | ast.ImportFrom)]

    def _import(
        self, module: ModuleType, node: ast.Import | ast.ImportFrom, alias: ast.alias, texts: list[str]
    ) -> None:
        """Follow an import into `ablations`, `tasks` or a file beside a plug-in; of other imports, add the statement."""
        source = alias.name if isinstance(node, ast.Import) else node.module or ""
        submodule = sys.modules.get(f"{source}.{alias.name}") if isinstance(node, ast.ImportFrom) else None
        home = submodule or sys.modules.get(source)
        if home is not None and _is_own(home):
            names = (
                [alias.name] if isinstance(node, ast.ImportFrom) and not submodule and alias.name != "*" else vars(home)
            )
            for name in list(names):
                self.use(home, name)
        elif home is not None and not _is_own(module) and _folder(home) == _folder(module):
            self.use(home, alias.name)
        else:
            texts.append(f"from {source} import {alias.name} as {alias.asname}")


_DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom)


def _is_own(module: ModuleType) -> bool:
    return module.__name__.partition(".")[0] in ("ablations", "tasks")


def _folder(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return file and os.path.dirname(os.path.abspath(file))


@cache
def _tree(module: ModuleType) -> ast.Module:
    """The syntax tree of a module without docstrings."""
    tree, added = ast.parse(inspect.getsource(module)), ADDED.get(module.__name__, set())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [line for line in node.body if not _is_docstring(line)] or [ast.Pass()]
        if isinstance(node, ast.ClassDef):
            node.body = [line for line in node.body if not added.intersection(_binds(line))]
    return tree


@cache
def _definitions(module: ModuleType) -> dict[str, list[ast.stmt]]:
    """The top-level statements of a module, by the names that they define."""
    definitions: dict[str, list[ast.stmt]] = {}
    for statement in _tree(module).body:
        for name in dict.fromkeys(_binds(statement)):
            definitions.setdefault(name, []).append(statement)
    return definitions


def _binds(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement defines; a star for a star import."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name.partition(".")[0] for alias in aliases]
    return []


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()
