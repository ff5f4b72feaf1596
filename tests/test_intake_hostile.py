"""Hostile bodies: what was written to crash or to fill the memory is refused, and costs little."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from citybrain.errors import InputError
from citybrain.intake.judge import Limits, read_arrow
from tests.conftest import ROOT
from tests.intake_posts import LOOP, as_table, stream

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024


def test_damaged_bodies_are_read_or_refused_within_little_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz_intake", "--count", "1500", "--keep", str(tmp_path / "body")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["read"] + told["refused"] == 1500
    assert told["refused"] > 500
    assert told["grown_kib"] < 200 * MIB


def test_a_compression_bomb_is_refused_before_it_is_unpacked() -> None:
    table = as_table([LOOP] * 2)
    big = pa.table(
        {**{name: table[name] for name in table.column_names if name != "sensor"}, "sensor": ["x" * 50_000_000] * 2}
    )
    body = stream(big.replace_schema_metadata(table.schema.metadata), "zstd")
    assert len(body) < 100_000
    before = pa.total_allocated_bytes()
    peak = pa.default_memory_pool().max_memory()
    with pytest.raises(InputError, match="bytes allowed"):
        read_arrow(body, Limits())
    assert pa.total_allocated_bytes() == before
    assert pa.default_memory_pool().max_memory() == peak


@pytest.mark.parametrize("declared", [2**62, 2**40, -2, -(2**63)])
def test_a_buffer_that_lies_about_its_length_is_refused(declared: int) -> None:
    body = bytearray(stream(as_table([LOOP] * 100), "zstd"))
    times = struct.pack("<q", 800)  # what the buffer of 100 times declares
    places = [found.start() for found in re.finditer(re.escape(times), bytes(body))]
    assert places
    for place in places:
        body[place : place + 8] = struct.pack("<q", declared)
    with pytest.raises(InputError, match=r"bytes allowed|says that it has|no sound Arrow"):
        read_arrow(bytes(body), Limits())


@pytest.mark.parametrize("end", range(0, 2000, 97))
def test_a_body_that_was_cut_short_is_refused_even_with_an_end_mark(end: int) -> None:
    body = stream(as_table([LOOP] * 30))
    for cut in (body[:end], body[:end] + body[-8:]):
        with pytest.raises(InputError):
            read_arrow(cut, Limits())
