"""Controllers by name. A name is a promise to scripts; it is never given to something else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from citybrain.errors import InputError

if TYPE_CHECKING:
    from citybrain.control.interface import Controller, Site


class ControllerEntry(NamedTuple):
    """A registered controller."""

    name: str
    description: str


CONTROLLERS: tuple[ControllerEntry, ...] = (
    ControllerEntry("fixed", "the scenario's own program, by the clock"),
    ControllerEntry("webster", "fixed time, re-timed every 15 minutes by Webster's formula from measured flows"),
    ControllerEntry("actuated", "own stages in order, skipped without a call, extended until the first gap"),
    ControllerEntry("max-pressure", "stage with the largest difference between waiting and downstream vehicles"),
    ControllerEntry("max-wave", "stage that the most vehicles near the stop line ask for"),
    ControllerEntry(
        "planner", "rolling-horizon search of stages and their start times; the own program where it is blind"
    ),
    ControllerEntry("oracle", "yardstick, not a result: the planner with perfect sight"),
)


def make_controller(name: str, site: Site) -> Controller:
    """Build a controller by its name.

    ``oracle`` is built like ``planner``; whoever runs it gives it perfect sight.

    Raises
    ------
    InputError
        If no controller has the name.
    """
    # Imported where needed: the planner compiles kernels, which a fixed-time run shall not wait for.
    if name == "fixed":
        from citybrain.control.fixed import Fixed  # noqa: PLC0415 - see above

        return Fixed(site)
    if name == "webster":
        from citybrain.control.webster import Webster  # noqa: PLC0415 - see above

        return Webster(site)
    if name == "actuated":
        from citybrain.control.actuated import Actuated  # noqa: PLC0415 - see above

        return Actuated(site)
    if name in {"max-pressure", "max-wave"}:
        from citybrain.control.pressure import MaxPressure, MaxWave  # noqa: PLC0415 - see above

        return MaxPressure(site) if name == "max-pressure" else MaxWave(site)
    if name in {"planner", "oracle"}:
        from citybrain.control.cautious import Cautious  # noqa: PLC0415 - see above
        from citybrain.control.clearing import Clearing  # noqa: PLC0415 - see above
        from citybrain.control.planner import Planner  # noqa: PLC0415 - see above

        return Clearing(site, Cautious(site, Planner(site)))
    known = ", ".join(entry.name for entry in CONTROLLERS)
    raise InputError(f"no controller is named {name!r}; choose one of: {known}")
