"""``citybrain ledger verify`` finds edits of ledger and plans, and says where."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from citybrain.plans.plan import with_seq
from citybrain.storage.audit import audit
from citybrain.storage.store import NewEntry, NewPlan, TickRecord, open_store
from citybrain_api.ledger_commands import ledger_app

N_TICKS = 3
CHANGED = "plan 2 of a, told of by entry 5, is not what was published"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with open_store(tmp_path / "data") as store:
        for time in range(N_TICKS):
            plans = [NewPlan(name, {"intersection": name, "made_at": time}, {"why": "queue"}) for name in ("a", "b")]
            store.commit_tick(TickRecord(time, (), b""), plans, [NewEntry(time, "tick", None, {})], with_seq)
    return tmp_path / "data"


def verify(data: Path, *more: str) -> Any:
    return CliRunner().invoke(ledger_app, ["verify", "--data", str(data), *more])


def edit(data: Path, statement: str) -> None:
    with sqlite3.connect(data / "citybrain.db") as file:
        file.executescript("DROP TRIGGER ledger_keeps_entries; DROP TRIGGER ledger_keeps_words;")
        file.execute(statement)
    file.close()


def test_an_untouched_ledger_holds(data: Path) -> None:
    result = verify(data)
    assert result.exit_code == 0
    assert result.stdout.startswith("the ledger holds: 9 entries, 6 plans, head 9:sha256:")
    found = json.loads(verify(data, "--json").stdout)
    assert (found["entries"], found["plans"], found["fault"]) == (9, 6, None)
    assert verify(data, "--expect", found["head"]).exit_code == 0


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE ledger SET at = 7 WHERE n = 4",
            "entry 4 is missing or is not what was written; 3 entries before it hold",
        ),
        ("DELETE FROM ledger WHERE n = 1", "entry 1 is missing"),
        ("DELETE FROM plans WHERE intersection = 'b' AND seq = 2", "plan 2 of b, told of by entry 6, is gone"),
        ("UPDATE plans SET text = replace(text, '\"made_at\":1', '\"made_at\":2')", CHANGED),
        ("UPDATE plans SET text = replace(text, ':1,', ': 1,') WHERE seq = 2", CHANGED),
        ("UPDATE plans SET text = '[' WHERE seq = 2", CHANGED),
        ("UPDATE plans SET text = '[]' WHERE seq = 2", CHANGED),
        ("UPDATE plans SET plan_id = 'x' WHERE seq = 2", CHANGED),
        ("INSERT INTO plans VALUES ('c', 1, 'x', '{}')", "the store holds 7 plans and the ledger tells of 6"),
        ("DELETE FROM ledger WHERE n > 7", "the store holds 6 plans and the ledger tells of 4"),
    ],
)
def test_an_edit_is_found_where_it_was_made(data: Path, statement: str, words: str) -> None:
    edit(data, statement)
    result = verify(data)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stdout == ""


def test_a_noted_head_shows_what_was_cut_off_or_written_anew(data: Path) -> None:
    head = json.loads(verify(data, "--json").stdout)["head"]
    with sqlite3.connect(data / "citybrain.db") as file:
        file.executescript(
            "DROP TRIGGER ledger_keeps_entries; DELETE FROM plans WHERE seq = 3; DELETE FROM ledger WHERE n > 6"
        )
    file.close()
    assert verify(data).exit_code == 0
    assert "entry 9 is missing: the ledger ends at 6" in verify(data, "--expect", head).stderr
    assert "entry 6 has another hash than the one noted" in verify(data, "--expect", "6" + head[1:]).stderr


def test_a_ledger_of_many_pages(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for _ in range(3):
            store.append_entries([NewEntry(k, "tick", None, {"k": k}) for k in range(700)])
        found = audit(store)
    assert (found.entries, found.plans, found.fault) == (2100, 0, None)


@pytest.mark.parametrize("head", ["7", "x:sha256:" + 64 * "0", "7:sha256:12", "-1:sha256:" + 64 * "0"])
def test_a_wrong_head(data: Path, head: str) -> None:
    result = verify(data, "--expect", head)
    assert result.exit_code == 2
    assert "is no head" in result.stderr


def test_no_store(tmp_path: Path) -> None:
    result = verify(tmp_path / "nothing")
    assert result.exit_code == 2
    assert "holds no City Brain store" in result.stderr
    assert not (tmp_path / "nothing").exists()
