"""Suites as data: those that ship lie in ``suites/``, anybody can write another one, and maps of users get one made.

What stands at the top of a file holds for every ``[[part]]`` that does not say otherwise.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from citybrain.errors import InputError
from citybrain_sim.bench.suites import Part, Suite
from citybrain_sim.bench.table_names import TABLE_NAMES, parse_table
from citybrain_sim.scenarios import SUFFIX

SHIPPED = Path(__file__).with_name("suites")
OWN = "own"
"""Suite for maps of users: everything but the scenarios."""
MOST = 10_000
"""A suite has at most so many seeds or instances."""


def shipped_suites() -> list[Suite]:
    """Read all suites that ship, but the one for own maps."""
    return [_read(file) for file in sorted(SHIPPED.glob("*.toml")) if file.stem != OWN]


def find_suite(name_or_path: str) -> Suite:
    """Find a suite: by name, as a ``.toml`` file, or made for a ``.sumocfg`` or a folder that holds some.

    Raises
    ------
    InputError
        If there is none, or something in the file is wrong: all faults at once.
    """
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        configs = sorted({*path.glob(f"*{SUFFIX}"), *path.glob(f"*/*{SUFFIX}")})
        if not configs:
            raise InputError(f"{name_or_path}: holds no {SUFFIX} file, nor do the folders in it; name another folder")
        return _own(path.absolute().name, configs)
    if path.suffix == SUFFIX and path.is_file():
        return _own(path.stem, [path])
    if path.suffix == ".toml" and path.is_file():
        return _read(path)
    if len(path.parts) > 1 or path.suffix:
        raise InputError(
            f"{name_or_path} is neither a folder nor a {SUFFIX} or .toml file (looked for {path.absolute()}); correct "
            "the path"
        )
    names = [file.stem for file in sorted(SHIPPED.glob("*.toml")) if file.stem != OWN]
    if name_or_path in names:
        return _read(SHIPPED / f"{name_or_path}.toml")
    near = difflib.get_close_matches(name_or_path, names, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names)}."
    raise InputError(
        f"no suite is called {name_or_path!r}: {hint} A {SUFFIX} file, a folder that holds some, and a suite of "
        "your own (.toml) work as well"
    )


def _own(name: str, configs: Sequence[Path]) -> Suite:
    suite = _read(SHIPPED / f"{OWN}.toml")
    paths = tuple(str(config) for config in configs)
    return replace(suite, name=name, parts=tuple(replace(part, scenarios=paths) for part in suite.parts))


def _read(file: Path) -> Suite:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as flaw:
        raise InputError(f"{file}: cannot be read as a suite ({flaw}); correct path or file") from None
    parts = document.pop("part", [{}])
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise InputError(f"{file}: part: found {parts!r}; write [[part]] tables, or none")
    about, tables = document.pop("about", ""), document.pop("tables", [])
    wrong = [] if isinstance(about, str) else [f"about: found {about!r}; allowed: a sentence"]
    wrong += _flaws_of_tables(tables)
    wrong += _flaws(document)
    for k, part in enumerate(parts, start=1):
        wrong += [f"part {k}.{flaw}" for flaw in _flaws(part)]
        if not wrong and file.parent != SHIPPED and not (part.get("scenarios") or document.get("scenarios")):
            wrong.append(f"part {k}.scenarios: missing; name at least one")
        if not wrong and not (part.get("controllers") or document.get("controllers")):
            wrong.append(f"part {k}.controllers: missing; name at least one")
    if wrong:
        raise InputError("\n".join(f"{file}: {flaw}" for flaw in wrong))
    made = tuple(_part({**document, **part}, file.parent) for part in parts)
    return Suite(file.stem, about, tuple(tables), made)


def _part(entry: dict[str, Any], folder: Path) -> Part:
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    if isinstance(plain.get("seeds"), int):
        plain["seeds"] = tuple(range(1, plain["seeds"] + 1))
    if "scenarios" in plain:
        plain["scenarios"] = tuple(_placed(name, folder) for name in plain["scenarios"])
    return Part(**plain)


def _placed(scenario: str, folder: Path) -> str:
    """Paths in a suite are relative to its file."""
    return str(folder / scenario) if scenario.endswith(SUFFIX) else scenario


def _flaws_of_tables(tables: object) -> list[str]:
    if not isinstance(tables, list) or not all(isinstance(name, str) for name in tables):
        return [f"tables: found {tables!r}; allowed: a list of {', '.join(TABLE_NAMES)}"]
    flaws = []
    for name in tables:
        try:
            parse_table(name)
        except InputError as flaw:
            flaws.append(f"tables: {flaw}")
    return flaws


def _flaws(entry: dict[str, Any]) -> list[str]:
    allowed = [field.name for field in fields(Part)]
    flaws = [f"{key}: unknown; allowed: {', '.join(allowed)}" for key in entry if key not in allowed]
    for key, (fits, what) in _CHECKS.items():
        if key in entry and not fits(entry[key]):
            flaws.append(f"{key}: found {entry[key]!r}; allowed: {what}")
    return flaws


def _is_list(kind: type | tuple[type, ...], value: object) -> bool:
    items = value if isinstance(value, list) else []
    return bool(items) and all(isinstance(item, kind) and not isinstance(item, bool) for item in items)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def _are_seeds(value: object) -> bool:
    return _is_count(value) or (isinstance(value, list) and _is_list(int, value) and min(value) >= 0)


_are_words = partial(_is_list, str)
_WORDS = "a list of words, at least one"
_CHECKS: dict[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("scenarios", "controllers", "sensors", "profiles", "faults", "incidents"), (_are_words, _WORDS)),
    "seeds": (_are_seeds, f"a number from 1 to {MOST}, or a list of seeds"),
    "instances": (_is_count, f"a number from 1 to {MOST}"),
    "protocol": (lambda value: isinstance(value, str), "a word"),
    "demands": (partial(_is_list, (int, float)), "a list of numbers, at least one"),
    "other_sumo": (lambda value: isinstance(value, bool), "true or false"),
}
