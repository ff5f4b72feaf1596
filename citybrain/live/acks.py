"""What controllers say of themselves: acknowledgement documents, checked and read.

May import the tables of the street and the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citybrain.errors import InputError
from citybrain.plans.checker import LARGEST, MOST_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "citybrain/ack/1"
VERDICTS = ("accepted", "refused", "in_transition", "in_step", "running")
MODES = ("adaptive", "time_of_day", "free", "pre_empted", "flash", "manual")
FOLLOWING = frozenset({"adaptive", "time_of_day"})
"""Modes in which a controller follows plans, or would if it had one."""
LETTERS = "rygG"
_LONG_AGO = -(2**40)
_FIELDS = {
    "format": (str,),
    "intersection": (str,),
    "plan_id": (str, type(None)),
    "seq": (int, type(None)),
    "at": (int,),
    "verdict": (str,),
    "code": (str, type(None)),
    "sentence": (str, type(None)),
    "mode": (str,),
    "pattern": (int, type(None)),
    "offset_error": (int, type(None)),
    "shown": (dict,),
}
_SHOWN = {
    "stage": (int, type(None)),
    "changing": (bool,),
    "since": (int,),
    "aspects": (str,),
    "aspect_since": (list,),
    "green_end": (list,),
}


@dataclass(frozen=True, slots=True)
class Ack:
    """An acknowledgement as the engine needs it; times in tenths, groups and stages with their local numbers.

    Attributes
    ----------
    at : when it was made.
    verdict, code, mode : as in the document.
    offset_error : of its own pattern, as in the document.
    stage : shown or being changed to; None where the lamps show no stage.
    changing, since : a change is under way; since when, or since when the stage is fully shown.
    aspect, aspect_since : per group.
    green_end : per group; far in the past where none has ended.
    """

    at: int
    verdict: str
    code: str | None
    mode: str
    offset_error: int | None
    stage: int | None
    changing: bool
    since: int
    aspect: tuple[int, ...]
    aspect_since: tuple[int, ...]
    green_end: tuple[int, ...]


def read_ack(document: object, intersection: str, groups: int, stages: int) -> Ack:
    """Read an acknowledgement of an intersection with so many signal groups and stages.

    Raises
    ------
    InputError
        If it is none, or not this intersection's.
    """
    ack = _fields(document, _FIELDS, "an acknowledgement")
    if ack["format"] != FORMAT:
        raise InputError(f'an acknowledgement has the format "{FORMAT}", found {ack["format"]!r:.60}')
    if ack["intersection"] != intersection:
        raise InputError(f"the acknowledgement is of intersection {ack['intersection']!r:.80}, not of {intersection!r}")
    for name, known in (("verdict", VERDICTS), ("mode", MODES)):
        if ack[name] not in known:
            raise InputError(f"{name} of an acknowledgement is one of {', '.join(known)}, found {ack[name]!r:.60}")
    shown = _fields(ack["shown"], _SHOWN, '"shown" of an acknowledgement')
    if {len(shown[name]) for name in ("aspects", "aspect_since", "green_end")} != {groups}:
        raise InputError(f"intersection {intersection!r} has {groups} signal groups; shown must tell of each of them")
    if set(shown["aspects"]) - set(LETTERS):
        raise InputError(f"aspects are letters of {LETTERS}, found {shown['aspects']!r:.80}")
    if shown["stage"] is not None and not 0 <= shown["stage"] < stages:
        raise InputError(f"intersection {intersection!r} has {stages} stages, found number {shown['stage']}")
    return Ack(
        at=ack["at"],
        verdict=ack["verdict"],
        code=ack["code"],
        mode=ack["mode"],
        offset_error=ack["offset_error"],
        stage=shown["stage"],
        changing=shown["changing"],
        since=shown["since"],
        aspect=tuple(LETTERS.index(letter) for letter in shown["aspects"]),
        aspect_since=tuple(_time(value) for value in shown["aspect_since"]),
        green_end=tuple(_LONG_AGO if value is None else _time(value) for value in shown["green_end"]),
    )


def _fields(value: object, fields: Mapping[str, tuple[type, ...]], what: str) -> dict[str, Any]:
    """Check that an object has these fields, each of one of its types, and no others."""
    if not isinstance(value, dict):
        raise InputError(f"{what} is a JSON object, found {type(value).__name__}")
    missing, more = sorted(fields.keys() - value.keys()), sorted(map(str, value.keys() - fields.keys()))
    if missing or more:
        raise InputError(f"{what} lacks the fields {missing} and has the unknown fields {more[:8]}")
    for name, kinds in fields.items():
        item = value[name]
        if type(item) not in kinds:
            raise InputError(f'"{name}" of {what} must be {kinds[0].__name__}, found {item!r:.60}')
        if type(item) is int:
            _time(item)
        if type(item) is str and len(item) > MOST_TEXT:
            raise InputError(f'"{name}" of {what} has {len(item)} letters; {MOST_TEXT} are allowed')
    return value


def _time(value: object) -> int:
    if type(value) is not int or abs(value) > LARGEST:
        raise InputError(f"times are whole numbers of tenths of a second, found {value!r:.60}")
    return value
