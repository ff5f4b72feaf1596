"""Which faults a run has: names, levels, files of users, all checked. Knows no network, no sensors, no simulator.

What a level means in figures is data, in ``fault_levels.toml``; a fault carries its figures with it, so that a record
tells the whole of it.
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citybrain.errors import ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LEVELS_FILE = Path(__file__).with_name("fault_levels.toml")
LEVELS = range(1, 6)
USUAL_LEVEL = 3
"""Level of a fault that is asked for without one."""
KEYS = ("name", "level", "share", "sensors", "from_s", "to_s")
LONGEST_S = 1e7
"""No window of a fault is longer than this [s]."""


@dataclass(frozen=True)
class Fault:
    """One fault of a run.

    Attributes
    ----------
    name, level : which of the faults in ``fault_levels.toml``, and how bad, 1 to 5.
    share : of the sensors that it can befall, drawn by the run's seed; unused where ``sensors`` names some.
    sensors : names of the sensors that it befalls.
    from_s, to_s : since the beginning of the run [s]; without an end it lasts.
    figures : what the level means, by the names of ``fault_levels.toml``.
    """

    name: str
    level: int
    share: float
    figures: tuple[tuple[str, float], ...]
    sensors: tuple[str, ...] = ()
    from_s: float = 0.0
    to_s: float | None = None

    def document(self) -> dict[str, Any]:
        """Turn into plain types."""
        return {
            "name": self.name,
            "level": self.level,
            "share": self.share,
            "figures": dict(self.figures),
            "sensors": list(self.sensors),
            "from_s": self.from_s,
            "to_s": self.to_s,
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Fault:
        """Build the fault that :meth:`document` describes."""
        plain = {**document, "figures": tuple(document["figures"].items()), "sensors": tuple(document["sensors"])}
        return cls(**plain)


@functools.cache
def fault_levels() -> dict[str, dict[str, Any]]:
    """Read the faults by name, in the order in which they are applied: text, whom they befall, figures by level."""
    return tomllib.loads(LEVELS_FILE.read_text(encoding="utf-8"))


def make_fault(
    name: str,
    level: int,
    share: float | None = None,
    sensors: Sequence[str] = (),
    from_s: float = 0.0,
    to_s: float | None = None,
) -> Fault:
    """Build a fault with the figures of its level.

    Raises
    ------
    ProfileError
        If name or level are unknown.
    """
    known = fault_levels()
    if name not in known:
        raise ProfileError(f"fault {name!r} is unknown; choose one of: {', '.join(known)}")
    if level not in LEVELS:
        raise ProfileError(f"fault {name!r} has no level {level!r}; choose one of: {', '.join(map(str, LEVELS))}")
    figures = {key: column[level - 1] for key, column in known[name].items() if isinstance(column, list)}
    usual = figures.pop("share")
    return Fault(
        name, level, usual if share is None else share, tuple(figures.items()), tuple(sensors), float(from_s), to_s
    )


def read_faults(text: str) -> tuple[Fault, ...]:
    """Read ``NAME``, ``NAME:LEVEL``, several of them separated by commas, or the path of a file of faults (``.toml``).

    Returns
    -------
    In the order in which they are applied: that of ``fault_levels.toml``, equal ones as they were given.

    Raises
    ------
    ProfileError
        If a name, a level, the file or anything in it is wrong; all that is wrong at once.
    """
    faults = _read_file(Path(text)) if text.endswith(".toml") else _read_words(text)
    order = list(fault_levels())
    return tuple(sorted(faults, key=lambda fault: order.index(fault.name)))


def label(faults: Iterable[Fault]) -> str:
    """Name faults in a word that folders and tables can bear; empty without faults."""
    faults = tuple(faults)
    if not faults:
        return ""
    digest = hashlib.sha256(repr([fault.document() for fault in faults]).encode()).hexdigest()[:6]
    return "+".join(f"{fault.name}-{fault.level}" for fault in faults[:3]) + f"-{digest}"


def _read_words(text: str) -> list[Fault]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise ProfileError(f"no fault is named; choose one or more of: {', '.join(fault_levels())}")
    faults, wrong = [], []
    for word in words:
        name, colon, level = word.partition(":")
        try:
            faults.append(make_fault(name, int(level) if level.isdecimal() else 0 if colon else USUAL_LEVEL))
        except ProfileError as error:
            wrong.append(str(error))
    if wrong:
        raise ProfileError("\n".join(wrong))
    return faults


def _read_file(file: Path) -> list[Fault]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as flaw:
        raise ProfileError(f"{file}: cannot be read as a file of faults ({flaw}); correct path or file") from None
    tables = document.get("fault")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise ProfileError(f"{file}: has no [[fault]] table; write one per fault, with name and level")
    wrong = [f"{file}: {key}: unknown; allowed: [[fault]] tables" for key in document if key != "fault"]
    faults = []
    for k, table in enumerate(tables, start=1):
        place = f"{file}: fault {k}"
        flaws = [f"{place}.{flaw}" for flaw in _flaws(table)]
        wrong += flaws
        if not flaws:
            try:
                faults.append(make_fault(**{"level": USUAL_LEVEL, **table}))
            except ProfileError as error:
                wrong.append(f"{place}: {error}")
    if wrong:
        raise ProfileError("\n".join(wrong))
    return faults


def _flaws(table: Mapping[str, Any]) -> list[str]:
    """Tell what is wrong with one table of a file; name and level are looked up later."""
    flaws = [f"{key}: unknown; allowed: {', '.join(KEYS)}" for key in table if key not in KEYS]
    if not isinstance(table.get("name"), str):
        flaws.append(f"name: found {table.get('name')!r}; allowed: one of {', '.join(fault_levels())}")
    if type(table.get("level", USUAL_LEVEL)) is not int:
        flaws.append(f"level: found {table['level']!r}; allowed: one of {', '.join(map(str, LEVELS))}")
    if "share" in table and not _number(table["share"], 0.0, 1.0):
        flaws.append(f"share: found {table['share']!r}; allowed: a number from 0 to 1")
    names = table.get("sensors", ["-"])
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        flaws.append(f"sensors: found {names!r}; allowed: a list of names, at least one")
    if "sensors" in table and "share" in table:
        flaws.append("share: found beside sensors; give one of both")
    begin, end = table.get("from_s", 0.0), table.get("to_s", LONGEST_S)
    flaws += [
        f"{key}: found {value!r}; allowed: seconds since the beginning of the run, 0 to {LONGEST_S:g}"
        for key, value in (("from_s", begin), ("to_s", end))
        if not _number(value, 0.0, LONGEST_S)
    ]
    if _number(begin, 0.0, LONGEST_S) and _number(end, 0.0, LONGEST_S) and end <= begin:
        flaws.append(f"to_s: found {end!r}; allowed: later than from_s, {begin!r}")
    return flaws


def _number(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
