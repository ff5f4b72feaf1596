"""The OpenAPI document: what the routes declare, and the documents of the street as components.

``python -m citybrain_api.service.openapi docs/openapi.json`` writes it to a file.
"""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI

import citybrain
from citybrain.intake.posted import FORMAT
from citybrain_api.service.problems import Problem
from citybrain_api.service.routes import city, field, operations, page, people, plans, sensors

ABOUT = """How the street talks to the engine: controllers poll lawful plans, field devices post observations, people
look and override.

All times are integers: tenths of a second since 1970-01-01T00:00:00Z, where a field does not say otherwise. Every
answer carries the service's own clock in `Server-Time`. Whatever is refused is told as a problem document (RFC 9457).

Keys go into `Authorization: Bearer cb_...`. A key has one scope: `field` posts observations; `controller` reads plans
and acknowledges, for its own intersections; `reader` reads everything; `operator` reads, overrides and rolls back.
"""
TAGS = [
    {"name": "controllers", "description": "Plans, leases, acknowledgements."},
    {"name": "field devices", "description": "Observations."},
    {"name": "people", "description": "State, history, overrides, ledger."},
    {"name": "operations", "description": "Health, readiness, metrics, clocks."},
]
URL = "/v1/openapi.json"
STREET_DOCUMENTS = {"Plan": "plan", "Acknowledgement": "ack", "ControllerData": "controller-data"}
REF = "#/components/schemas/{model}"
UNUSED = ("HTTPValidationError", "ValidationError")
"""FastAPI's own words for faults; ours are problems."""

_SENSOR = {"type": "string", "minLength": 1}
_TIME_MS = {"type": "integer", "description": "Milliseconds since 1970-01-01T00:00:00Z."}


def _row(kind: str, optional: tuple[str, ...] = (), **fields: dict[str, Any]) -> dict[str, Any]:
    properties = {"kind": {"const": kind}, "sensor": _SENSOR, "time_ms": _TIME_MS, **fields}
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


OBSERVATIONS: dict[str, Any] = {
    "title": FORMAT,
    "description": "A batch of observations. Rows that are wrong are refused one by one; the others are kept.",
    "type": "object",
    "additionalProperties": False,
    "required": ["format", "batch_id", "sender", "rows"],
    "properties": {
        "format": {"const": FORMAT},
        "batch_id": {"type": "string", "pattern": "^[A-Za-z0-9._:/@+-]{1,128}$"},
        "sender": {"type": "string", "pattern": "^[A-Za-z0-9._:/@+-]{1,128}$"},
        "complete_until": {
            "type": ["integer", "null"],
            "description": "The sender has sent everything up to this time [0.1 s since 1970].",
        },
        "rows": {
            "type": "array",
            "items": {
                "oneOf": [
                    _row("loop", on={"type": "boolean", "description": "Covered, or left."}),
                    _row("frame"),
                    _row(
                        "object",
                        lane={"type": "string"},
                        distance={"type": "number", "description": "To the end of the lane [m]."},
                        speed={"type": "number", "description": "[m/s]"},
                        confidence={"type": "number", "minimum": 0, "maximum": 1},
                    ),
                    _row(
                        "count",
                        ("lane", "occupancy", "queue"),
                        begin_ms=_TIME_MS,
                        vehicles={"type": "number", "minimum": 0, "description": "That passed in the interval."},
                        lane={"type": "string", "description": "Of cameras: the lane that was counted."},
                        occupancy={"type": "number", "minimum": 0, "maximum": 1},
                        queue={"type": "number", "minimum": 0, "description": "Vehicles queued at its end."},
                    ),
                    _row(
                        "turn",
                        begin_ms=_TIME_MS,
                        lane={"type": "string", "description": "Whose stop line they crossed."},
                        to={"type": "string", "description": "Road that they went to."},
                        vehicles={"type": "number", "minimum": 0, "description": "That went there in the interval."},
                    ),
                ]
            },
        },
    },
}


class DescribedApp(FastAPI):
    """FastAPI with all routes, described in full."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            title="City Brain Engine",
            version=citybrain.__version__,
            description=ABOUT,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            openapi_url=URL,
            openapi_tags=TAGS,
            docs_url=None,  # the usual pages load their scripts from elsewhere
            redoc_url=None,
            generate_unique_id_function=lambda route: route.name,
            **options,
        )
        # The last route of `people` takes any intersection's name, so that router comes last.
        for room in (plans, field, operations, city, sensors, page, people):
            self.include_router(room.router)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for unused in UNUSED:
                schemas.pop(unused, None)
            schemas["Problem"] = Problem.model_json_schema(ref_template=REF)
            schemas["Observations"] = OBSERVATIONS
            schemas |= {name: _street_schema(file) for name, file in STREET_DOCUMENTS.items()}
            document["components"]["schemas"] = dict(sorted(schemas.items()))
            self.openapi_schema = document
        return self.openapi_schema


def text() -> str:
    """Return the OpenAPI document as it is kept in ``docs/openapi.json``."""
    return json.dumps(DescribedApp().openapi(), indent=1, ensure_ascii=False) + "\n"


def _street_schema(name: str) -> dict[str, Any]:
    source = files("citybrain.plans") / "schemas" / f"{name}.schema.json"
    schema: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return {key: value for key, value in schema.items() if not key.startswith("$")}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
