"""The one place that decides how kernels compile.

``fastmath`` stays off: NaN means "not observed" and results must not depend on the machine's vector width.
``CITYBRAIN_BOUNDSCHECK=1`` compiles with index checks (slow, for debugging); ``NUMBA_DISABLE_JIT=1`` runs plain Python.

Compiled kernels are kept on disk in a folder of their own for every state of this package's sources: Numba itself
notices a change only in the file of the kernel that is called, not in those of the kernels that it calls.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

_CONFIG: Any = numba.config
_BOUNDSCHECK = os.environ.get("CITYBRAIN_BOUNDSCHECK") == "1"


def _cache_folder() -> str:
    """Folder for this state of the sources, below NUMBA_CACHE_DIR or the user's cache folder."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    base = Path(_CONFIG.CACHE_DIR or user / "citybrain-engine")
    return str(base / f"kernels-{digest.hexdigest()[:16]}")


_CACHE_FOLDER = _cache_folder()


def kernel(function: F) -> F:
    """Compile a serial kernel: cached on disk, releases the GIL, exact floating point."""
    usual = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = _CACHE_FOLDER
    try:
        decorate = numba.njit(cache=True, nogil=True, fastmath=False, boundscheck=_BOUNDSCHECK, error_model="numpy")
        return cast("F", decorate(function))
    finally:
        _CONFIG.CACHE_DIR = usual
