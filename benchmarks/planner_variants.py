"""Variants of the planner: every parameter halved and doubled, every idea taken out, decisions less often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from citybrain.control.planner import Parameters

USUAL = "as it is"
NEVER = 1e9
"""Stands for a limit that nothing reaches."""


class Variant(NamedTuple):
    """A planner that differs in one thing.

    Attributes
    ----------
    name : of the parameter, or of the idea that is off.
    form : ``half``, ``double``, ``off``, ``every`` or ``USUAL``.
    value : of the parameter; None where an idea is off.
    parameters : of the planner.
    cautious : own program where an approach is not seen.
    clearing : greens wait for who stands in the intersection.
    """

    name: str
    form: str
    value: float | None
    parameters: Parameters
    cautious: bool = True
    clearing: bool = True

    @property
    def file(self) -> str:
        """Name for files."""
        return f"{self.name} {self.form}".replace(" ", "-").replace("'", "")


REFERENCE = Variant(USUAL, USUAL, None, Parameters())


def halved_and_doubled() -> Iterator[Variant]:
    """Every number of the planner's parameters, half and double; whole numbers stay whole and above 0, shares <= 1."""
    usual = Parameters()
    for table in ("weights", "sight", "pace"):
        values = getattr(usual, table)
        for name in values._fields:
            for form, value in _around(name, getattr(values, name)):
                changes: dict[str, Any] = {table: values._replace(**{name: value})}
                yield Variant(name, form, value, replace(usual, **changes))
    for name in ("horizon", "beam", "usual_ticks"):
        for form, value in _around(name, getattr(usual, name)):
            number: dict[str, Any] = {name: value}
            yield Variant(name, form, value, replace(usual, **number))


def _around(name: str, value: float) -> Iterator[tuple[str, float]]:
    if isinstance(value, int):
        yield from (("half", max(1, value // 2)), ("double", 2 * value))
        return
    yield "half", value / 2
    yield "double", min(1.0, 2 * value) if name in {"blocked_rate", "minor_share", "sneak"} else 2 * value


def without() -> Iterator[Variant]:
    """Every idea off by itself, by a value of a parameter that takes its effect away."""
    usual = Parameters()
    weights, sight, pace = usual.weights, usual.sight, usual.pace
    off: dict[str, Parameters] = {
        "cost grows with the first vehicle's wait": replace(usual, weights=weights._replace(patience=NEVER)),
        "cost of what is left at the horizon": replace(usual, weights=weights._replace(tail=0.0)),
        "extra wait of what is left at red": replace(usual, weights=weights._replace(tail_red=0.0)),
        "start-up loss": replace(usual, weights=weights._replace(start_loss=0.0)),
        "gaps: permissive as protected": replace(usual, weights=weights._replace(sneak=1.0)),
        "blocked lanes believed blocked": replace(usual, sight=sight._replace(blocked_rate=1.0)),
        "room beyond the stop line": replace(usual, sight=sight._replace(standing=NEVER)),
        "pedestrians' waiting": replace(usual, sight=sight._replace(walk_arrivals=0.0)),
        "usual flow beyond what is foretold": replace(usual, sight=sight._replace(known=usual.horizon)),
        "plans kept until there is news": replace(usual, pace=pace._replace(oldest=1)),
        "news: plans kept until they are old": replace(usual, pace=pace._replace(news=NEVER, rate=NEVER)),
        "longest reds planned with": replace(usual, heed_reds=False),
        "queues inside first where it is full": replace(usual, sight=sight._replace(inside=0.0)),
        "more than one course followed": replace(usual, beam=1),
    }
    for name, parameters in off.items():
        yield Variant(name, "off", None, parameters)
    yield Variant("own program where it is blind", "off", None, usual, cautious=False)
    yield Variant("greens wait for who stands inside", "off", None, usual, clearing=False)


def every() -> Iterator[Variant]:
    """Search every so many seconds, and never in between whatever happens."""
    usual = Parameters()
    for seconds in (1, 2, 5, 10):
        pace = usual.pace._replace(oldest=seconds, news=NEVER, rate=NEVER)
        yield Variant(f"a search every {seconds} s", "every", None, replace(usual, pace=pace))
