"""How a table is described: columns with types, units and meanings. Imports nothing of the project."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

NAME = pa.dictionary(pa.int32(), pa.string())
"""Names of lanes, sensors, intersections: stored once per row group, read as strings."""


@dataclass(frozen=True)
class Column:
    """One column: name, Arrow type, unit (empty where it has none), meaning."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


@dataclass(frozen=True)
class Table:
    """One Parquet file: what its rows are, and its columns."""

    rows: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of the file."""
        return pa.schema([pa.field(column.name, column.type) for column in self.columns])
