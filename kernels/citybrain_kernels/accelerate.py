"""The one place that decides how kernels compile.

``fastmath`` stays off: NaN means "not observed" and results must not depend on the machine's vector width.
``CITYBRAIN_BOUNDSCHECK=1`` compiles with index checks (slow, for debugging); ``NUMBA_DISABLE_JIT=1`` runs plain Python.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])

_BOUNDSCHECK = os.environ.get("CITYBRAIN_BOUNDSCHECK") == "1"


def kernel(function: F) -> F:
    """Compile a serial kernel: cached on disk, releases the GIL, exact floating point."""
    return cast(
        "F", numba.njit(cache=True, nogil=True, fastmath=False, boundscheck=_BOUNDSCHECK, error_model="numpy")(function)
    )
