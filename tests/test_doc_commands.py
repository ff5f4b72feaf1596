"""Every ``citybrain`` command that a page shows: the program has it, with these options."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import typer.main
from typer.core import TyperGroup

from citybrain_api.cli import app
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/README.md"]
)
SHOWN = re.compile(r"^(?:\w+=\S+ |\w+=\$\(|\.venv/bin/|timeout .* )*citybrain ([^\n#`|>)]+)", re.MULTILINE)


@cache
def program() -> Any:
    return typer.main.get_command(app)


def shown(page: str) -> list[str]:
    """Commands of the shell examples and of the code within sentences, lines that go on put together."""
    joined = page.replace("\\\n", " ")
    blocks = "".join(re.findall(r"```(?:sh)?\n(.*?)```", joined, re.DOTALL))
    sentences = "\n".join(re.findall(r"`(citybrain [^`\n]+)`", re.sub(r"```.*?```", "", joined, flags=re.DOTALL)))
    return [found.strip() for found in SHOWN.findall(f"{blocks}\n{sentences}")]


def unknown(command: str) -> str:
    """Say what the program does not know of a command line; nothing if all is well."""
    words = shlex.split(command.replace("...", ""))
    here = program()
    while isinstance(here, TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0).rstrip(",")
        if name not in here.commands and here.name != "bench":
            return name
        here = here.commands.get(name) or here.commands["run"]  # `bench NAME` is `bench run NAME`
    options = {name for parameter in here.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return " ".join(word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options)


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("run district --controller planner", ""),
        ("bench headline --dry-run", ""),
        ("ledger verify", ""),
        ("fly district", "fly"),
        ("ledger forge", "forge"),
        ("run district --speedily -x", "--speedily -x"),
        ("bench headline --wet-run", "--wet-run"),
    ],
)
def test_a_wrong_command_is_found(command: str, wrong: str) -> None:
    assert unknown(command) == wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_are_the_program_s(page: Path) -> None:
    assert not [command for command in shown(page.read_text(encoding="utf-8")) if unknown(command)]


def test_the_pages_show_commands() -> None:
    assert len([command for page in PAGES for command in shown(page.read_text(encoding="utf-8"))]) > 100
