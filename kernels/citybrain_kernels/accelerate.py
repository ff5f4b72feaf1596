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
from typing import Any, Generic, TypeVar, cast

import numba
from numba.core import types
from numba.experimental import structref

from citybrain_kernels.cache import cache_home

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_CONFIG: Any = numba.config
_NJIT: Any = numba.njit
"""Numba's types do not know the option that switches the counting of references off."""
_BOUNDSCHECK = os.environ.get("CITYBRAIN_BOUNDSCHECK") == "1"


def _cache_folder() -> str:
    """Folder for this state of the sources."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return str(cache_home() / f"kernels-{digest.hexdigest()[:16]}")


_CACHE_FOLDER = _cache_folder()


def kernel(function: F) -> F:
    """Compile a serial kernel: cached on disk, releases the GIL, exact floating point.

    It counts no references to the arrays that it is given (the caller keeps them alive), so it can allocate none. With
    the counting, a call between two kernels cost ten nanoseconds per array, half of the planner's time.
    """
    return _compile(function, references=False)


def desk_kernel(function: F) -> F:
    """Compile a kernel that takes a :class:`Held`, like :func:`kernel` but for the counting of references."""
    return _compile(function, references=True)


def _compile(function: F, references: bool) -> F:
    usual = _CONFIG.CACHE_DIR
    _CONFIG.CACHE_DIR = _CACHE_FOLDER
    try:
        decorate = _NJIT(
            cache=True,
            nogil=True,
            fastmath=False,
            boundscheck=_BOUNDSCHECK,
            error_model="numpy",
            _nrt=references,
        )
        return cast("F", decorate(function))
    finally:
        _CONFIG.CACHE_DIR = usual


class Held(Generic[T]):
    """What kernels keep between calls; they find it under ``value``. Made by :func:`hold`."""

    def __init__(self, value: T) -> None:
        self.value = value


@structref.register
class _HeldType(types.StructRef):
    """Numba's view of ``_CompiledHeld``."""


class _CompiledHeld(structref.StructRefProxy):
    """A reference to a value that lies unpacked in compiled code."""


structref.define_proxy(_CompiledHeld, _HeldType, ["value"])  # type: ignore[no-untyped-call]  # numba has no types


@desk_kernel
def _compiled_hold(value: Any) -> Any:
    return _CompiledHeld(value)  # type: ignore[no-untyped-call]  # numba has no types


def hold(value: T) -> Held[T]:
    """Unpack a tuple of arrays (and of tuples of arrays) for kernels once and for all.

    Handing an array from Python to a kernel costs a third of a microsecond, at every call and for each of the hundred
    that make up a street. The arrays stay those of ``value``: who writes to them writes for both sides. Numbers are
    copied.
    """
    return Held(value) if _CONFIG.DISABLE_JIT else cast("Held[T]", _compiled_hold(value))
