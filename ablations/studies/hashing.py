"""Content hashes, and seeds derived from content. Two results have the same hash if and only if their inputs are equal."""

import ast
import hashlib
import inspect
import json
import sys
from functools import cache
from types import ModuleType
from typing import Any


def digest(*content: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of JSON-like content; the order of keys does not matter."""
    return hashlib.sha256(_canonical(content)).hexdigest()[:16]


def derive_seed(*content: Any) -> int:
    """A 48-bit seed from the SHA-256 of JSON-like content: float64 columns of tables represent it exactly."""
    return int.from_bytes(hashlib.sha256(_canonical(content)).digest()[:6], "big")


@cache
def source_digest(kind: type) -> str:
    """A digest of the source of a class, of its base classes, and of all functions, classes and constants that they use.

    It is taken from the syntax tree, so comments and docstrings do not count. Names are followed within `ablations`,
    `tasks` and the package of the class (for a plug-in: its file).

    :raises ValueError: if the source cannot be read.
    """
    packages, sources = {"ablations", "tasks", kind.__module__.partition(".")[0]}, {}

    def visit(module: ModuleType, name: str) -> None:
        if (module.__name__, name) in sources or not hasattr(module, name):
            return
        statements = [node for node in _tree(module).body if name in _binds(node)]
        if not statements:  # an imported name: continue in the module that defines it
            value = getattr(module, name)
            home = sys.modules.get(getattr(value, "__module__", None) or "")
            if home is not None and home is not module and home.__name__.partition(".")[0] in packages:
                visit(home, getattr(value, "__name__", name))
            return
        sources[module.__name__, name] = [ast.unparse(statement) for statement in statements]
        for statement in statements:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name):
                    visit(module, node.id)

    try:
        for base in kind.__mro__:  # visited one by one, as attributes such as `lstm.LSTM` are not followed
            if base.__module__.partition(".")[0] in packages:
                visit(sys.modules[base.__module__], base.__qualname__)
    except (OSError, TypeError) as error:
        raise ValueError(f"the source of {kind.__qualname__} cannot be read: {error}") from None
    if (kind.__module__, kind.__qualname__) not in sources:
        raise ValueError(f"the source of {kind.__qualname__} cannot be read: it is not at the top of a module")
    return digest(sorted(sources.values()))


@cache
def _tree(module: ModuleType) -> ast.Module:
    """The syntax tree of a module without docstrings."""
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            node.body = [line for line in node.body if not _is_docstring(line)] or [ast.Pass()]
    return tree


def _binds(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement defines."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()
