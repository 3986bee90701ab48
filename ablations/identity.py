"""Content hashes: what a result depends on, and nothing else, decides its identity."""

import ast
import hashlib
import inspect
import json
import textwrap
from functools import cache
from typing import Any


def digest(*content: Any) -> str:
    """16 hexadecimal digits that identify JSON-like content, whatever the order of its keys."""
    return hashlib.sha256(_canonical(content)).hexdigest()[:16]


def derive(*content: Any) -> int:
    """A 48-bit seed decided by content: it fits a float64, and therefore any table, without loss."""
    return int.from_bytes(hashlib.sha256(_canonical(content)).digest()[:6], "big")


@cache
def source(kind: type) -> str:
    """A digest of what a class does: its source and that of its ancestors as syntax trees, without comments and docstrings.

    Raises ValueError when the source cannot be read.
    """
    trees = []
    for ancestor in inspect.getmro(kind):
        if ancestor.__module__ in ("builtins", "abc", "typing"):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(ancestor)))
        except (OSError, TypeError) as error:
            raise ValueError(f"the source of {ancestor.__qualname__} cannot be read: {error}") from None
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                node.body = [line for line in node.body if not _is_text(line)]
        trees.append(ast.dump(tree))
    return digest(trees)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False).encode()
