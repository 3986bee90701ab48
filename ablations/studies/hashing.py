"""Content hashes: what a result depends on, and nothing else, decides its identity."""

import ast
import hashlib
import inspect
import json
import sys
from functools import cache
from types import ModuleType
from typing import Any


def digest(*content: Any) -> str:
    """16 hexadecimal digits that identify JSON-like content, whatever the order of its keys."""
    return hashlib.sha256(_canonical(content)).hexdigest()[:16]


def derive_seed(*content: Any) -> int:
    """A 48-bit seed decided by content: it fits a float64, and therefore any table, without loss."""
    return int.from_bytes(hashlib.sha256(_canonical(content)).digest()[:6], "big")


@cache
def source_digest(kind: type) -> str:
    """A digest of what a class does: its source, its ancestors', and that of everything of ours that they name.

    Taken from the syntax tree, without comments and docstrings. Ours are the cells, the tasks, and what else is in the
    class's own package: for a plug-in its file. Raises ValueError when the source cannot be read.
    """
    packages, found = {"ablations", "tasks", kind.__module__.partition(".")[0]}, {}

    def visit(module: ModuleType, name: str) -> None:
        if (module.__name__, name) in found or not hasattr(module, name):
            return
        statements = [node for node in _tree(module).body if name in _binds(node)]
        if not statements:  # imported: follow it as long as it is ours
            value = getattr(module, name)
            home = sys.modules.get(getattr(value, "__module__", None) or "")
            if home is not None and home is not module and home.__name__.partition(".")[0] in packages:
                visit(home, getattr(value, "__name__", name))
            return
        found[module.__name__, name] = [ast.unparse(statement) for statement in statements]
        for statement in statements:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name):
                    visit(module, node.id)

    try:
        for ancestor in kind.__mro__:  # a base may be named in a way that is not followed, as `lstm.LSTM` is
            if ancestor.__module__.partition(".")[0] in packages:
                visit(sys.modules[ancestor.__module__], ancestor.__qualname__)
    except (OSError, TypeError) as error:
        raise ValueError(f"the source of {kind.__qualname__} cannot be read: {error}") from None
    if (kind.__module__, kind.__qualname__) not in found:
        raise ValueError(f"the source of {kind.__qualname__} cannot be read: it is not at the top of a module")
    return digest(sorted(found.values()))


@cache
def _tree(module: ModuleType) -> ast.Module:
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
    return tree


def _binds(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()
