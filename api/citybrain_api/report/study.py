"""Which runs a report is about: who is compared with whom, and what cannot be compared."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from citybrain.errors import InputError
from citybrain.measures import gridlocked_runs
from citybrain_sim.comparison import BASELINE
from citybrain_sim.run_folders import find_runs
from citybrain_sim.runs import ORACLE, RunResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from citybrain_sim.run_folders import LeftOut, RunFolder

FAVOURITE = "planner"
"""The controller that the report is about, where it ran."""
ORDER = (
    *(BASELINE, "webster", "actuated", "sumo-actuated", "sumo-delay-based", "max-pressure", "max-wave"),
    *(FAVOURITE, ORACLE),
)


@dataclass(frozen=True)
class Variant:
    """One controller under the same conditions, over all its seeds and demand instances.

    Attributes
    ----------
    label : for people: the controller, and what else tells it from the others.
    runs : by demand instance and seed.
    gridlocked : [runs] which of them locked.
    """

    label: str
    controller: str
    runs: tuple[RunFolder, ...]
    gridlocked: tuple[bool, ...]

    @property
    def results(self) -> list[RunResult]:
        """What came of the runs."""
        return [run.result for run in self.runs]

    @property
    def delay_s(self) -> float:
        """Median of the runs' delays [s/veh]."""
        return float(np.median([run.delay_s for run in self.results]))

    @property
    def typical(self) -> RunFolder:
        """The run in the middle by delay; of two, the better."""
        ordered = sorted(self.runs, key=lambda run: (run.result.delay_s, run.spec.instance, run.spec.seed))
        return ordered[(len(ordered) - 1) // 2]

    def like(self, other: RunFolder) -> RunFolder:
        """Find the run with the same demand and seed as another one; the typical one where there is none."""
        same = [r for r in self.runs if (r.spec.instance, r.spec.seed) == (other.spec.instance, other.spec.seed)]
        return same[0] if same else self.typical


@dataclass(frozen=True)
class Study:
    """Runs of one scenario under the same conditions.

    Attributes
    ----------
    variants : at least one, in the order in which they are shown.
    baseline : the scenario's own fixed plan; None where it did not run.
    subject : what the first page is about: the planner, else the best that is neither baseline nor yardstick.
    left_out : folders that could not be used. warnings : what a reader must know, in sentences.
    """

    variants: tuple[Variant, ...]
    baseline: Variant | None
    subject: Variant
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]

    @property
    def first(self) -> RunFolder:
        """Any run, for what all have in common."""
        return self.subject.runs[0]

    @property
    def shown(self) -> list[tuple[Variant, RunFolder]]:
        """One run of each variant for the figures of a single run: the subject's typical one, and the same seed."""
        typical = self.subject.typical
        return [(variant, variant.like(typical)) for variant in self.variants]


def gather(places: Sequence[Path]) -> Study:
    """Find the runs and check that they can stand in one report.

    Raises
    ------
    InputError
        If there is no finished run, or runs differ in what a comparison must hold fixed.
    """
    runs, left_out = find_runs(places)
    if not runs:
        told = "\n".join(f"{run.path}: {run.reason}" for run in left_out[:10])
        raise InputError(f"no finished run to report on:\n{told}")
    _check_alike(runs)
    variants = _variants(runs)
    baseline = next((v for v in variants if v.controller == BASELINE), None)
    rivals = [v for v in variants if v.controller not in (BASELINE, ORACLE)]
    favourites = [v for v in rivals if v.controller == FAVOURITE]
    subject = min(favourites or rivals or variants, key=lambda v: v.delay_s)
    warnings = _warnings(runs, variants, baseline, subject)
    return Study(tuple(variants), baseline, subject, tuple(left_out), tuple(warnings))


def _check_alike(runs: Sequence[RunFolder]) -> None:
    """Refuse runs that no honest comparison can put side by side."""
    aspects = {
        "scenarios": [run.result.scenario for run in runs],
        "protocols": [run.result.protocol for run in runs],
        "timing profiles": [run.result.profile for run in runs],
        "incidents": [run.result.incident or "none" for run in runs],
        "demand factors": [f"{run.result.demand:g}" for run in runs],
    }
    for what, found in aspects.items():
        kinds = list(dict.fromkeys(found))
        if len(kinds) > 1:
            where = "; ".join(f"{kind}: {runs[found.index(kind)].path}" for kind in kinds)
            raise InputError(
                f"runs of {len(kinds)} {what} cannot stand in one report ({where}); name those of one: their paths tell"
            )
    first = runs[0]
    for run in runs:
        if run.inputs != first.inputs:
            changed = sorted(
                name
                for name in run.inputs.keys() | first.inputs.keys()
                if run.inputs.get(name) != first.inputs.get(name)
            )
            raise InputError(
                f"{first.path} and {run.path} were made with different files ({', '.join(changed)}): the scenario "
                "changed between them; run the older ones again"
            )


def _variants(runs: Sequence[RunFolder]) -> list[Variant]:
    groups: dict[tuple[str, str, str], list[RunFolder]] = defaultdict(list)
    for run in runs:
        groups[run.spec.controller, run.spec.sight, run.result.faults].append(run)
    sights = {key[:2] for key in groups}
    variants = []
    for (controller, sight, faults), members in groups.items():
        words = [sight] if sum(key[0] == controller for key in sights) > 1 else []
        label = ", ".join([controller, *words, *([f"faults {faults}"] if faults else [])])
        members.sort(key=lambda run: (run.spec.instance, run.spec.seed, str(run.path)))
        twice = {(r.spec.instance, r.spec.seed): r for r in reversed(members)}
        kept = sorted(twice.values(), key=lambda run: (run.spec.instance, run.spec.seed))
        locked = gridlocked_runs(
            np.array([run.result.delay_s for run in kept]), np.array([run.result.gridlocked for run in kept])
        )
        variants.append(Variant(label, controller, tuple(kept), tuple(locked.tolist())))
    place = {name: k for k, name in enumerate(ORDER)}
    return sorted(variants, key=lambda v: (place.get(v.controller, len(ORDER)), v.label))


def _warnings(
    runs: Sequence[RunFolder], variants: Sequence[Variant], baseline: Variant | None, subject: Variant
) -> list[str]:
    told = []
    if baseline is None:
        told.append(
            f"No run of the fixed plan ({BASELINE}) is among these, so nothing is compared: figures stand alone. "
            f"Add it with --controllers {BASELINE},{subject.controller}."
        )
    fewest = min(len(v.runs) for v in variants)
    if fewest == 1:
        told.append("With a single run of a controller nobody knows how much is chance. Run at least five seeds.")
    elif fewest < 5:
        told.append(f"Only {fewest} runs per controller: intervals are rough. Five or more are wanted for a claim.")
    for what, found in (
        ("version of citybrain", {run.version for run in runs}),
        ("state of the program's code", {run.code[:12] for run in runs}),
        ("version of SUMO", {str(run.manifest.get("sumo")) for run in runs}),
    ):
        if len(found) > 1:
            told.append(f"The runs were made with more than one {what} ({', '.join(sorted(found))}).")
    for variant in variants:
        locked = sum(variant.gridlocked)
        if locked:
            told.append(
                f"{variant.label}: {locked} of {len(variant.runs)} runs gridlocked. Their delay grows with the length "
                "of the run and says little but that traffic locked."
            )
        if variant.controller == ORACLE:
            told.append("oracle is the planner with perfect sight: a yardstick of what sensing costs, not a result.")
    return told
