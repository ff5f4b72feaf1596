"""Which code a run's result depends on: one short word that changes when any of it does, comments left out.

A version number stands still between releases while the code moves; results of another planner must not be taken for
this one's.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "citybrain_sim.experiment"
"""Module that runs a simulation; what it imports, at once or later, is what a result depends on."""
OURS = ("citybrain", "citybrain_kernels", "citybrain_sim")
DIGITS = 12


@functools.cache
def code_version() -> str:
    """Digest of the code and the tables of figures that a run uses: the same on every machine with this Python."""
    found = read_code(ROOT)
    tables = {file for path, _ in found.values() for file in path.parent.glob("*.toml")}
    whole = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for name, (_, tree) in sorted(found.items()):
        whole.update(f"{name}\n{ast.dump(tree)}\n".encode())
    for table in sorted(tables, key=lambda file: (file.parent.name, file.name)):
        whole.update(table.read_bytes())
    return whole.hexdigest()[:DIGITS]


def read_code(root: str) -> dict[str, tuple[Path, ast.Module]]:
    """Read a module and all modules of ours that it leads to, without running any; by name, with files and code."""
    found: dict[str, tuple[Path, ast.Module]] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if name in found or path is None:
            continue
        tree = ast.parse(path.read_bytes())
        _Bare().visit(tree)
        found[name] = path, tree
        waiting += _imports(tree)
    return found


def _file(name: str) -> Path | None:
    """File of one of our modules; None for anything else, names within a module included."""
    if name.split(".", maxsplit=1)[0] not in OURS:
        return None
    top, *parts = name.split(".")
    package = find_spec(top)
    if package is None or not package.submodule_search_locations:
        return None
    place = Path(package.submodule_search_locations[0]).joinpath(*parts)
    candidates = (place.with_suffix(".py"), place / "__init__.py") if parts else (place / "__init__.py",)
    return next((file for file in candidates if file.is_file()), None)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


class _Bare(ast.NodeTransformer):
    """Takes out what no result depends on: docstrings and imports for type checkers alone."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)
