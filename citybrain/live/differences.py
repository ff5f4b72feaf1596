"""Where two documents differ."""

from __future__ import annotations

from typing import Any


def differences(a: Any, b: Any, path: str = "") -> list[dict[str, Any]]:
    """List the places where two JSON values differ: ``path``, and the values in ``a`` and ``b`` (None: not there)."""
    if isinstance(a, dict) and isinstance(b, dict):
        found = []
        for name in sorted(a.keys() | b.keys()):
            found += differences(a.get(name), b.get(name), f"{path}.{name}" if path else name)
        return found
    if isinstance(a, list) and isinstance(b, list):
        found = []
        for k in range(max(len(a), len(b))):
            found += differences(a[k] if k < len(a) else None, b[k] if k < len(b) else None, f"{path}[{k}]")
        return found
    return [] if a == b and type(a) is type(b) else [{"path": path, "a": a, "b": b}]
