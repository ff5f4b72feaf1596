"""A report as a JSON document, its JSON Schema, and the page that describes both.

``python -m citybrain_api.report.documents docs/report.md docs/report.schema.json`` rewrites the tables in the page, and
the schema.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citybrain_api.report.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citybrain.record_tables import Table
    from citybrain_api.report.schema import Tables

MARK = "<!-- tables -->"
KINDS = {"double": ["number", "null"], "int32": ["integer"], "string": ["string"], "bool": ["boolean"]}
TEXT = {"type": "string"}


def document(about: Mapping[str, Any], tables: Tables) -> dict[str, Any]:
    """Everything as plain types; NaN becomes None."""
    return {
        **about,
        "tables": {
            name: {column: _plain(found[column].to_pylist()) for column in found.column_names}
            for name, found in tables.items()
        },
    }


def _plain(values: list[Any]) -> list[Any]:
    return [None if isinstance(v, float) and not math.isfinite(v) else v for v in values]


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the document: tables as columns of equal length."""
    texts = {"type": "array", "items": TEXT}
    tables = {name: _columns(about) for name, about in TABLES.items()}
    parts = {
        "version": TEXT,
        "scenario": TEXT,
        "subject": TEXT,
        "baseline": {"type": ["string", "null"]},
        "sentences": texts,
        "warnings": texts,
        "settings": {"type": "object", "additionalProperties": TEXT},
        "tables": {"type": "object", "required": list(TABLES), "additionalProperties": False, "properties": tables},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of runs",
        "type": "object",
        "required": list(parts),
        "additionalProperties": False,
        "properties": parts,
    }


def _columns(about: Table) -> dict[str, Any]:
    """Describe a table: one array per column."""
    return {
        "type": "object",
        "description": f"One entry per row; a row is {about.rows}.",
        "required": [column.name for column in about.columns],
        "additionalProperties": False,
        "properties": {
            column.name: {
                "type": "array",
                "description": column.meaning + (f" [{column.unit}]" if column.unit else ""),
                "items": {"type": KINDS[str(column.type)]},
            }
            for column in about.columns
        },
    }


def page(text: str) -> str:
    """Put the description of all tables below the mark of the page."""
    parts = [text.partition(MARK)[0], MARK, "\n"]
    for name, about in TABLES.items():
        parts.append(
            f"\n### `{name}`\n\nA row is {about.rows}.\n\n| column | type | unit | meaning |\n|---|---|---|---|\n"
        )
        parts.extend(f"| `{c.name}` | {c.type} | {c.unit} | {c.meaning} |\n" for c in about.columns)
    return "".join(parts)


if __name__ == "__main__":
    manual = Path(sys.argv[1])
    manual.write_text(page(manual.read_text(encoding="utf-8")), encoding="utf-8")
    Path(sys.argv[2]).write_text(json.dumps(json_schema(), indent=1) + "\n", encoding="utf-8")
