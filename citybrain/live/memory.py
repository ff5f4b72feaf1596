"""What parts of the engine remember, taken out as plain arrays and put back into parts that were built anew.

A part is any object whose attributes are arrays, numbers, tuples of arrays or parts themselves. Arrays are filled in
place, since compiled code may hold on to them. What does not change during a run is left out.
"""

from __future__ import annotations

import io
import pickle
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.decisions import LampState
from citybrain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_PLAIN = (bool, int, float, str, type(None), np.generic, dict, list, set, deque, LampState)
_ALLOWED = {
    ("citybrain.decisions", "LampState"),
    ("collections", "deque"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


def remember(part: object) -> dict[str, Any]:
    """Take out what a part remembers, by the path of its attributes; values are still those of the part."""
    return dict(_leaves(part, ""))


def recall(part: object, memory: dict[str, Any]) -> None:
    """Put back what :func:`remember` took out of a part of the same kind and size.

    Raises
    ------
    InputError
        If the part does not have what is to be put back, or has it in another size.
    """
    for path, value in memory.items():
        *way, name = path.split(".")
        owner: Any = part
        for step in way:
            owner = getattr(owner, step, None)
        old = getattr(owner, name, None)
        if isinstance(old, np.ndarray) and _alike(old, value):
            np.copyto(old, value)
        elif owner is None or isinstance(owner, tuple) or not hasattr(owner, name):
            raise InputError(f"the checkpoint holds {path} of another size or kind than this engine")
        else:
            setattr(owner, name, value)


def pack(memory: dict[str, Any]) -> bytes:
    """Write memory as bytes."""
    return pickle.dumps(memory, protocol=5)


def unpack(data: bytes) -> dict[str, Any]:
    """Read what :func:`pack` wrote; nothing but arrays, numbers, texts and lists of them come of it.

    Raises
    ------
    InputError
        If the bytes are damaged or hold anything else.
    """
    try:
        memory = _Reader(io.BytesIO(data)).load()
    except Exception as error:
        raise InputError(f"a checkpoint cannot be read: {type(error).__name__} {error}") from error
    if not isinstance(memory, dict):
        raise InputError("a checkpoint cannot be read: it holds no memory")
    return memory


class _Reader(pickle.Unpickler):
    """Makes nothing but what ``_ALLOWED`` names."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} does not belong in a checkpoint")
        return super().find_class(module, name)


def _alike(old: NDArray[Any], value: object) -> bool:
    return isinstance(value, np.ndarray) and old.shape == value.shape and old.dtype == value.dtype


def _leaves(part: Any, path: str) -> Iterator[tuple[str, Any]]:
    names = getattr(part, "_fields", None) or vars(part)
    for name in names:
        value = getattr(part, name)
        if isinstance(value, np.ndarray):
            if value.flags.writeable:
                yield path + name, value
        elif isinstance(value, _PLAIN) or type(value) is tuple:
            if not isinstance(part, tuple):
                yield path + name, value
        elif _is_part(value):
            yield from _leaves(value, f"{path}{name}.")


def _is_part(value: object) -> bool:
    """Whether something has a memory of its own: tuples with names, and objects of the brain that may change."""
    if isinstance(value, tuple):
        return hasattr(value, "_fields")
    parameters: Any = getattr(type(value), "__dataclass_params__", None)
    fixed = parameters is not None and parameters.frozen
    return type(value).__module__.startswith("citybrain.") and hasattr(value, "__dict__") and not fixed
