"""The examination of servers: a good one passes, every fault is found."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from citybrain.errors import InputError
from citybrain_api.conformance import Finding, Outcome
from citybrain_api.conformance_commands import conformance_app
from citybrain_api.conformance_probe import Probe
from citybrain_api.conformance_server import CHECKS, examine
from tests.plan_server import KEY, WAIT, PlanServer, running


@pytest.fixture(scope="module")
def one_server() -> Iterator[PlanServer]:
    with running() as stub:
        yield stub


@pytest.fixture
def server(one_server: PlanServer, monkeypatch: pytest.MonkeyPatch) -> PlanServer:
    monkeypatch.setattr("citybrain_api.conformance_server._WAIT_S", float(WAIT))
    one_server.fault = ""
    one_server.acks.clear()
    return one_server


def outcome(server: PlanServer, name: str) -> Finding:
    """Finding of one check."""
    probe = Probe(server.url, KEY, "elm")
    chosen = [check for check in CHECKS if check[0] == name]
    findings: list[Finding] = []
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("citybrain_api.conformance_server.CHECKS", chosen)
            examine(probe, findings.append)
    finally:
        probe.close()
    (finding,) = findings
    return finding


def test_a_good_server_passes(server: PlanServer) -> None:
    probe = Probe(server.url, KEY, None)
    findings = examine(probe, lambda _: None)
    probe.close()
    assert [(f.name, f.seen) for f in findings if f.outcome == Outcome.FAILED] == []
    assert [f.name for f in findings if f.outcome == Outcome.SKIPPED] == ["numbers"]
    assert len(server.acks) == 1


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        ("two clocks", "time"),
        ("no keys", "keys"),
        ("no challenge", "keys"),
        ("plain problems", "keys"),
        ("no scopes", "scope"),
        ("damaged data", "controller data"),
        ("other tag", "identity"),
        ("cacheable", "identity"),
        ("lease over", "identity"),
        ("unlawful", "law"),
        ("crash", "law"),
        ("always 200", "304"),
        ("304 without lease", "304"),
        ("lease shrinks", "lease"),
        ("hasty", "long poll"),
        ("numbers", "numbers"),
        ("any wait", "bad polls"),
        ("takes nothing", "acknowledgement"),
        ("takes anything", "bad acknowledgements"),
        ("old event", "events"),
        ("no event", "events"),
    ],
)
def test_a_fault_is_found(server: PlanServer, fault: str, name: str) -> None:
    server.fault = fault
    found = outcome(server, name)
    assert (found.outcome, bool(found.seen)) == (Outcome.FAILED, True)


def test_without_a_plan_its_checks_are_skipped(server: PlanServer) -> None:
    server.fault = "no plan"
    assert outcome(server, "identity").outcome == Outcome.SKIPPED


def test_a_server_that_lists_nothing_needs_an_intersection(server: PlanServer) -> None:
    server.fault = "no intersections"
    with pytest.raises(InputError, match="--intersection"):
        Probe(server.url, KEY, None)
    with pytest.raises(InputError, match="cannot be examined"):
        Probe("http://127.0.0.1:1", KEY, None)


def test_command_prints_findings_and_tells_by_its_exit_code(server: PlanServer) -> None:
    app = typer.Typer()
    app.add_typer(conformance_app, name="conformance")
    command = ["conformance", "server", server.url, "--key", KEY, "--intersection", "elm", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("citybrain_api.conformance_server.CHECKS", [c for c in CHECKS if c[0] in {"law", "time"}])
        good = CliRunner().invoke(app, command)
        server.fault = "unlawful"
        bad = CliRunner().invoke(app, command)
        table = CliRunner().invoke(app, command[:-1])
    assert (good.exit_code, bad.exit_code, table.exit_code) == (0, 1, 1)
    assert json.loads(good.stdout)["conforms"] is True
    assert [f["outcome"] for f in json.loads(bad.stdout)["findings"]] == ["passed", "failed"]
    assert "plan_id" in table.stdout


@pytest.mark.parametrize(
    "command", [["server", "http://127.0.0.1:1"], ["server", "nowhere", "--key", "x"], ["client", "--pace", "900"]]
)
def test_wrong_calls_are_told(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITYBRAIN_KEY", raising=False)
    answer = CliRunner().invoke(conformance_app, command)
    assert answer.exit_code == 2
    assert "error" in answer.stderr
