"""The first page in plain words: what changed, by how much, how sure that is, and who lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citybrain_api.report.markup import number, signed
from citybrain_api.report.outcomes import LEAST_PAIRS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.naming import Names
    from citybrain_api.report.study import Variant

PLAIN = {
    "fixed": "the fixed plan",
    "webster": "the re-timed fixed plan",
    "actuated": "actuated control",
    "sumo-actuated": "SUMO's actuated control",
    "sumo-delay-based": "SUMO's delay-based control",
    "max-pressure": "max pressure",
    "max-wave": "max wave",
    "planner": "the planner",
    "oracle": "the planner with perfect sight",
}
SAME = {"seeds": "seed", "instances": "demand"}
"""What the runs of a pair share, by what they are paired on."""
LEAST_CHANCE = 0.025
"""Share of unchanged movements that a 95 % interval calls worse by chance, with many pairs."""


@dataclass(frozen=True)
class Verdict:
    """What the first page says.

    Attributes
    ----------
    title : one line. tone : ``better``, ``worse``, ``unclear``, ``few`` (pairs of runs) or ``alone``.
    changed, sure, lost : a sentence or two each; ``more`` : what else a council should know.
    """

    title: str
    tone: str
    changed: str
    sure: str
    lost: str
    more: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        """All of it, in order."""
        return [self.title, *(text for text in (self.changed, self.sure, self.lost, *self.more) if text)]


def plain_name(variant: Variant) -> str:
    """Say what people call a controller, with what tells it from others of its kind."""
    rest = variant.label.removeprefix(variant.controller)
    return PLAIN.get(variant.controller, variant.controller) + rest


def comparison_row(evidence: Evidence, measure: str, label: str) -> dict[str, Any] | None:
    """Row of ``comparison``; None where the measure is not known."""
    for row in evidence.tables["comparison"].to_pylist():
        if row["measure"] == measure and row["controller"] == label:
            found: dict[str, Any] = row
            return found
    return None


def verdict(evidence: Evidence, names: Names | None) -> Verdict:
    """Say what came of it."""
    study = evidence.study
    row = comparison_row(evidence, "delay", study.subject.label)
    name = plain_name(study.subject)
    if row is None or math.isnan(row["difference"]):
        return _alone(evidence, name)
    usual = row["difference"] / row["relative"] if row["relative"] else row["median"]
    share = abs(row["relative"]) * 100.0
    few = row["pairs"] < LEAST_PAIRS
    clear = row["difference_high"] < 0 or row["difference_low"] > 0
    tone = "few" if few else "unclear" if not clear else "better" if row["difference"] < 0 else "worse"
    less = "less" if row["difference"] < 0 else "more"
    titles = {
        "better": f"{share:.0f} % less delay with {name}",
        "worse": f"{share:.0f} % more delay with {name}",
        "few": f"{share:.0f} % {less} delay with {name}, but only {_runs(row['pairs'])}",
        "unclear": f"No certain change of delay with {name}",
    }
    changed = (
        f"With {name} a vehicle loses {number(row['median'])} s to signals and queues; with the fixed plan it lost "
        f"{number(usual)} s. That is {number(abs(row['difference']))} s, or {share:.0f} %, {less}. Everybody who was "
        "due to drive is counted, also those who never arrived."
    )
    return Verdict(titles[tone], tone, changed, _sure(row), _lost(evidence, names), tuple(_more(evidence)))


def _alone(evidence: Evidence, name: str) -> Verdict:
    subject = evidence.study.subject
    delay = number(subject.delay_s)
    only = evidence.study.baseline is subject
    missing = "another controller" if only else "the fixed plan"
    return Verdict(
        f"{delay} s of delay per vehicle with {name}",
        "alone",
        f"With {name} a vehicle loses {delay} s to signals and queues (median over runs). Everybody who was due to "
        "drive is counted, also those who never arrived.",
        f"There is no run of {missing} to compare with, so this report cannot say what changed.",
        "",
        tuple(_more(evidence)),
    )


def _runs(pairs: int) -> str:
    return f"{pairs} pair{'s' if pairs > 1 else ''} of runs"


def _sure(row: dict[str, Any]) -> str:
    lower = f"{row['better_pairs']} of {row['pairs']} pairs of runs with the same {SAME[row['paired_on']]}"
    if row["pairs"] < LEAST_PAIRS:
        return (
            f"Not sure: delay was lower in {lower}, but {LEAST_PAIRS} pairs are the least that tell chance "
            f"from effect. The change in the middle was {signed(row['difference'])} s."
        )
    interval = f"{signed(row['difference_low'])} to {signed(row['difference_high'])} s"
    inside = row["difference_low"] <= 0 <= row["difference_high"]
    told = "it holds zero, so chance alone could explain the change" if inside else "it does not hold zero"
    return f"Delay was lower in {lower}. The 95 % interval of the change is {interval}; {told}."


def losers(evidence: Evidence) -> list[dict[str, Any]]:
    """Movements that became worse under the subject, the worst first."""
    return sorted(_judged(evidence, "worse"), key=lambda row: -row["difference"])


def winners(evidence: Evidence) -> list[dict[str, Any]]:
    """Movements that became better under the subject, the best first."""
    return sorted(_judged(evidence, "better"), key=lambda row: row["difference"])


def _judged(evidence: Evidence, verdict: str) -> list[dict[str, Any]]:
    label = evidence.study.subject.label
    rows = evidence.tables["movements"].to_pylist()
    return [row for row in rows if row["controller"] == label and row["verdict"] == verdict]


def _lost(evidence: Evidence, names: Names | None) -> str:
    worse, better, unclear = losers(evidence), winners(evidence), _judged(evidence, "unclear")
    many = len(worse) + len(better) + len(unclear)
    row = comparison_row(evidence, "delay", evidence.study.subject.label)
    if not many or row is None:
        return "Who lost cannot be said: the runs have no table of movements."
    if row["pairs"] < LEAST_PAIRS:
        text = f"Too few runs to name losers among {many} movements through signals."
        worst = max(unclear, key=lambda found: found["difference"])
        return f"{text} The greatest loss seen: {_loss(worst, names)}." if worst["difference"] > 0 else text
    text = f"Of {many} movements through signals, {len(better)} became better, {len(worse)} worse"
    text += f" and {len(unclear)} cannot be told apart from chance."
    return f"{text} The greatest loss: {_loss(worse[0], names)}." if worse else text


def _loss(row: dict[str, Any], names: Names | None) -> str:
    """Where a movement is and what it lost."""
    at = f"{row['from_road']} to {row['to_road']}"
    if names is not None:
        at = f"at {names.intersection(row['intersection'])}, {names.movement(row['from_road'], row['to_road'])}"
    before = number(row["mean_delay"] - row["difference"], 0)
    vehicles = number(row["vehicles"], 0)
    return f"{at}, {before} to {number(row['mean_delay'], 0)} s per vehicle ({vehicles} vehicles)"


def chance(evidence: Evidence) -> str:
    """How many movements would look worse if nothing had changed at all."""
    row = comparison_row(evidence, "delay", evidence.study.subject.label)
    many = sum(len(_judged(evidence, kind)) for kind in ("better", "worse", "unclear"))
    if row is None or not many or row["pairs"] < 1:
        return ""
    expected = many * max(0.5 ** row["pairs"], LEAST_CHANCE)
    return (
        f"With {row['pairs']} pairs of runs and {many} movements, about {expected:.0f} would look worse, and as many "
        "better, if nothing had changed at all."
    )


def _more(evidence: Evidence) -> list[str]:
    label = evidence.study.subject.label
    told = []
    worst = comparison_row(evidence, "p95_delay", label)
    if worst is not None:
        against = _against(evidence, worst)
        told.append(f"The unlucky: 1 vehicle in 20 loses more than {number(worst['median'], 0)} s{against}.")
    walkers = comparison_row(evidence, "pedestrian_delay", label)
    if walkers is not None and not math.isnan(walkers["median"]):
        told.append(f"People on foot lose {number(walkers['median'], 0)} s on their way{_against(evidence, walkers)}.")
    outside = comparison_row(evidence, "not_inserted", label)
    if outside is not None and outside["median"] > 0:
        told.append(
            f"Vehicles that never found room to start: {number(outside['median'], 0)}{_against(evidence, outside)}."
        )
    red = comparison_row(evidence, "longest_red", label)
    if red is not None and red["difference"] > 0:
        told.append(
            f"The price: the longest red of any signal is {number(red['median'], 0)} s{_against(evidence, red)}."
        )
    rivals = _rivals(evidence)
    if rivals:
        told.append(f"Others, for comparison: {rivals}.")
    return told


def _against(evidence: Evidence, row: dict[str, Any]) -> str:
    """Tell what the fixed plan had in the place of a figure."""
    baseline = evidence.study.baseline
    usual = None if baseline is None else comparison_row(evidence, row["measure"], baseline.label)
    if usual is None or math.isnan(row["difference"]):
        return ""
    return f", {number(usual['median'], 0)} with the fixed plan"


def _rivals(evidence: Evidence) -> str:
    study = evidence.study
    shown: Sequence[Variant] = [v for v in study.variants if v is not study.subject and v is not study.baseline]
    return "; ".join(f"{plain_name(v)} {number(v.delay_s)} s" for v in sorted(shown, key=lambda v: v.delay_s))
