"""The evidence about a sensor in figures and in one sentence. May import the kernels' tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from citybrain_kernels.health import Diary, Watch

_LONGEST = 1e6


def figures_of(diary: Diary, watch: Watch, x: int) -> dict[str, float]:
    """Evidence about a sensor.

    Returns
    -------
    dict
        ``flow``, ``expected_flow``: counted and expected from neighbours or history, five-minute mean [veh/h];
        ``level``: present ratio to the neighbours over the usual one; ``lag_s``; ``silent_s`` since the last message;
        ``covered_s`` (loops); ``short``, ``late``, ``doubled``, ``out_of_order``: shares of rows.
    """
    now = float(diary.now[0])
    first, last = int(watch.counter_ptr[x]), int(watch.counter_ptr[x + 1])
    drifting = max(range(first, last), key=lambda k: max(diary.low[k], diary.high[k]), default=-1)
    level = 1.0
    if drifting >= 0 and max(diary.low[drifting], diary.high[drifting]) > 0 and diary.seen_peer[drifting] > 0:
        ratio = diary.seen_own[drifting] / diary.seen_peer[drifting]
        level = float(ratio / diary.base[drifting]) if diary.base[drifting] > 0 else 1.0
    figures = {
        "flow": 3600.0 * float(diary.recent[first:last].sum()),
        "expected_flow": 3600.0 * float(diary.recent_peer[first:last].sum()),
        "level": level,
        "lag_s": float(diary.lag[x]),
        "silent_s": min(now - float(diary.latest[x]), _LONGEST),
        "covered_s": min(now - float(diary.on_time[x]), _LONGEST) if diary.covered[x] else 0.0,
        "short": float(diary.short[x]),
        "late": float(diary.late[x]),
        "doubled": float(diary.doubled[x]),
        "out_of_order": float(diary.disordered[x]),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def reason_of(fault: str | None, figures: dict[str, float], lost_lanes: tuple[str, ...]) -> str:
    """One sentence on why a sensor is called what it is."""
    f = figures
    flows = f"counts {f['flow']:.0f} vehicles an hour where {f['expected_flow']:.0f} are expected"
    sentences = {
        None: "Nothing speaks against it.",
        "silent": f"Has said nothing for {f['silent_s']:.0f} s.",
        "wrong clock": f"Its times differ from the moment of arrival by {f['lag_s']:.1f} s, again and again.",
        "stuck on": f"Covered for {f['covered_s']:.0f} s, while vehicles pass or the light is green.",
        "stuck off": f"It {flows} from neighbours or the hour.",
        "chatter": f"{100 * f['short']:.0f} % of its changes are too short for a vehicle.",
        "blind": f"Its frames go on, but it {flows}.",
        "flicker": "Its frames come and go.",
        "shifted": "Vehicles that stand on the stop loop are seen elsewhere, or seen where the loop is free.",
        "lost lane": f"Reports nothing on {', '.join(lost_lanes) or 'one lane'}, where vehicles are expected.",
        "drift": f"Counts {f['level']:.2f} times what it used to, compared with its neighbours.",
        "late": f"{100 * f['late']:.0f} % of its rows come late.",
        "doubled": f"{100 * f['doubled']:.0f} % of its rows come twice.",
        "out of order": f"{100 * f['out_of_order']:.0f} % of its rows are overtaken by later ones.",
    }
    return sentences[fault]


def unheard_reason(beside: float, *, odd: bool) -> str:
    """One sentence on a sensor that has reported no vehicle, while those beside it counted so many each."""
    if not odd:
        return "Has reported no vehicle so far, and too few have come by elsewhere to wonder."
    others = f"while the sensors beside it counted {beside:.0f} each"
    return f"Has reported no vehicle so far, {others}: not connected, dead, or on a lane that nobody uses."
