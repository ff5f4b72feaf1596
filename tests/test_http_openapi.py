"""The OpenAPI document: current, complete, true; and the whole API against requests made from it at random."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from citybrain.plans.checker import check
from citybrain_api.service import examples
from citybrain_api.service.openapi import DescribedApp, text
from tests.conftest import ROOT
from tests.http_world import World, serving

DOCUMENT = DescribedApp().openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = ("/events", "/stream")
OPERATIONS = [(path, method, found) for path, item in DOCUMENT["paths"].items() for method, found in item.items()]


def test_the_kept_copy_is_current() -> None:
    kept = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert kept == text(), "write it again: python -m citybrain_api.service.openapi docs/openapi.json"


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: str(value)[:40])
def test_every_operation_is_told_in_full(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    statuses = set(operation["responses"])
    needs_key = "security" in operation
    assert needs_key == (path not in {"/healthz", "/readyz"})
    assert "500" in statuses
    assert {"401", "429"} <= statuses or not needs_key
    assert {"404", "410"} <= statuses or "{intersection}" not in path
    assert {"400", "408", "413", "415", "422", "503"} <= statuses or method != "post"
    for status, answer in operation["responses"].items():
        if int(status) >= 400 and path != "/readyz":
            assert list(answer["content"]) == ["application/problem+json"]


def test_names_of_operations_are_unique_and_no_reference_is_dead() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)
    for part in json.dumps(DOCUMENT).split('"$ref": "')[1:]:
        assert part.split('"')[0].rpartition("/")[2] in DOCUMENT["components"]["schemas"]


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("Plan", examples.PLAN),
        ("Acknowledgement", examples.ACK),
        ("ControllerData", examples.CONTROLLER_DATA),
        ("Observations", examples.OBSERVATIONS),
        ("Verdicts", {**examples.VERDICTS}),
    ],
)
def test_examples_are_what_they_are_examples_of(name: str, example: dict[str, Any]) -> None:
    schemas = DOCUMENT["components"]["schemas"]
    whole = {**schemas[name], "components": {"schemas": schemas}}
    jsonschema.Draft202012Validator(whole).validate(example)


def test_the_plan_in_the_examples_is_lawful() -> None:
    assert check(examples.CONTROLLER_DATA, examples.PLAN) == []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving(tmp_path_factory.mktemp("data"), longest_wait_s=0.1) as found:
        found.tick(2)
        found.plan()
        yield found


def test_the_service_tells_the_same_document(world: World) -> None:
    assert world.get(None, "/v1/openapi.json").json() == DOCUMENT


@pytest.mark.parametrize(
    ("path", "method", "operation"),
    [one for one in OPERATIONS if not one[0].endswith(ENDLESS)],
    ids=lambda value: str(value)[:40],
)
def test_no_request_made_from_the_document_breaks_the_service(
    world: World, path: str, method: str, operation: dict[str, Any]
) -> None:
    del operation
    who = "field" if path == "/v1/observations" else "controller" if path.endswith("/ack") else "operator"
    headers = {"Authorization": f"Bearer {world.keys[who]}"}

    @settings(max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=SCHEMA[path][method].as_strategy(), ours=st.booleans())
    def ask(case: Any, ours: bool) -> None:
        if ours and "intersection" in (case.path_parameters or {}):
            case.path_parameters["intersection"] = "c"
        answer = case.call(base_url=world.url, headers=headers)
        case.validate_response(answer, checks=CHECKS)

    ask()
