"""Hostile bodies: real Arrow and JSON bodies, damaged at random, must be read or refused; never crash, never take much.

``python -m benchmarks.fuzz_intake --count 100000``. Every body is cut, overwritten, spliced with another one, or has
its lengths and offsets replaced by extreme ones. What is read is also judged and packed. Any exception but
``InputError`` ends the run with the body in a file; the most memory that was taken is told at the end. The limit of the
process's address space turns a body that makes Arrow allocate without bound into a failure.
"""

from __future__ import annotations

import argparse
import json
import resource
from pathlib import Path

import numpy as np

from benchmarks.intake import NOW, make_post, make_street
from citybrain.errors import InputError
from citybrain.intake.judge import Judge, Limits, read_arrow, read_json
from citybrain.intake.write import write_arrow, write_json
from citybrain.randomness import generator

EXTREME = (
    0,
    1,
    7,
    8,
    127,
    255,
    2**15,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64 - 8,
    2**64 - 1,
)
WIDTHS = (1, 2, 4, 8)


def damage(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Damage a body in one to four places; most keep Arrow's end mark, so that they get as far as they can."""
    hurt = bytearray(body)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, len(hurt)))
        way = rng.integers(0, 6)
        if way == 0:
            hurt[at] ^= 1 << int(rng.integers(0, 8))
        elif way in {1, 2}:
            width = WIDTHS[rng.integers(0, 4)]
            at -= at % width
            value = EXTREME[rng.integers(0, len(EXTREME))] % 2 ** (8 * width)
            hurt[at : at + width] = value.to_bytes(width, "little")
        elif way == 3:
            hurt[at : at + 16] = rng.bytes(16)
        elif way == 4:
            begin = int(rng.integers(0, len(other)))
            hurt[at : at + 64] = other[begin : begin + 64]
        else:
            del hurt[at : at + int(rng.integers(1, 64))]
        if not hurt:
            return b""
    if rng.random() < 0.9:
        hurt[-8:] = body[-8:]
    return bytes(hurt)


def seeds(rng: np.random.Generator) -> tuple[Judge, list[bytes]]:
    """Make real bodies of several sizes and forms, and what judges them."""
    sensors, network = make_street(40)
    bodies = []
    for rows in (1, 30, 500):
        post = make_post(sensors, network, rows, rng)
        bodies += [write_arrow(post), write_arrow(post, "zstd"), write_arrow(post, "lz4", plain_text=True)]
        bodies.append(write_json(post))
    return Judge(sensors, network), bodies


def fuzz(count: int, seed: int, keep: Path) -> dict[str, int]:
    """Read damaged bodies; how many were refused and how many read, and the memory taken [KiB]."""
    rng = generator(seed, "fuzz")
    judge, bodies = seeds(rng)
    limits = Limits()
    for body in bodies:
        take(body, judge, limits)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = {"read": 0, "refused": 0}
    for _ in range(count):
        body = damage(bodies[rng.integers(0, len(bodies))], bodies[rng.integers(0, len(bodies))], rng)
        keep.write_bytes(body)
        result["read" if take(body, judge, limits) else "refused"] += 1
    keep.unlink(missing_ok=True)
    return result | {"grown_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before}


def take(body: bytes, judge: Judge, limits: Limits) -> bool:
    """Read, judge and pack a body as the service does; False if it was refused."""
    read = read_json if body[:1] == b"{" else read_arrow
    try:
        judge(read(body, limits), NOW).to_bytes()
    except InputError:
        return False
    return True


def main() -> None:
    """Fuzz and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_intake.body"), help="where the body at work lies")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
    print(json.dumps(fuzz(given.count, given.seed, given.keep)))


if __name__ == "__main__":
    main()
