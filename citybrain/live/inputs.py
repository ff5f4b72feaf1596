"""What one tick of the live engine takes in, and its form on disk.

What a tick does is a pure function of these and of the ticks before it.
May import observations, the acknowledgements' form and the ground.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.plans.checker import canonical

if TYPE_CHECKING:
    from citybrain.observations import ObservationBatch

MOST_BYTES = 2**28
"""A tick's inputs are not believed to be longer, unpacked."""


@dataclass(frozen=True, slots=True)
class ActiveOverride:
    """A person's wish that is in force: number in the store, intersection id, kind, value, who, why, until when."""

    number: int
    intersection: str
    kind: str
    value: Any
    who: str
    why: str
    begin: int
    until: int


@dataclass(frozen=True)
class TickInputs:
    """Inputs of one tick.

    Attributes
    ----------
    time : [tenths].
    batch : observations taken in.
    acks : acknowledgement documents since the last tick, in the order in which they were kept.
    overrides : in force now, in the order in which they were made; the last one at an intersection counts.
    alive : [I] the controller has polled within its lease.
    last_ack : number in the store of the last acknowledgement taken in, then or before.
    failed : the tick came to nothing; the engine began anew after it.
    """

    time: int
    batch: ObservationBatch
    acks: tuple[dict[str, Any], ...]
    overrides: tuple[ActiveOverride, ...]
    alive: NDArray[np.bool_]
    last_ack: int = 0
    failed: bool = False

    def to_bytes(self) -> bytes:
        """Pack everything but the observations, which the store has already."""
        return zlib.compress(
            canonical(
                {
                    "time": self.time,
                    "acks": list(self.acks),
                    "overrides": [asdict(override) for override in self.overrides],
                    "alive": np.packbits(self.alive).tobytes().hex(),
                    "intersections": len(self.alive),
                    "last_ack": self.last_ack,
                    "failed": self.failed,
                }
            ),
            level=1,
        )


def read_inputs(data: bytes, batch: ObservationBatch) -> TickInputs:
    """Unpack what :meth:`TickInputs.to_bytes` packed.

    Raises
    ------
    InputError
        If the bytes are damaged.
    """
    try:
        document = json.loads(zlib.decompressobj().decompress(data, MOST_BYTES))
        bits = np.frombuffer(bytes.fromhex(document["alive"]), dtype=np.uint8)
        return TickInputs(
            time=int(document["time"]),
            batch=batch,
            acks=tuple(document["acks"]),
            overrides=tuple(ActiveOverride(**override) for override in document["overrides"]),
            alive=np.unpackbits(bits, count=document["intersections"]).astype(np.bool_),
            last_ack=int(document["last_ack"]),
            failed=bool(document["failed"]),
        )
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise InputError(f"the stored inputs of a tick cannot be read: {error}; is the store damaged?") from error
