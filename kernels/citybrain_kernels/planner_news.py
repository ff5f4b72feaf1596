"""Whether an intersection knows anything new since it last searched; if not, it keeps its plan.

Index letters as in ``planner_tables``; e seconds since the last search.
"""

from __future__ import annotations

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.planner_tables import BOOLS, F32, GREEN_AGE, I32, I64, QUEUED, RATE, Layout, Outlook, Pace


@kernel
def foresee(i: int, layout: Layout, outlook: Outlook, pace: Pace, expected: F32, expected_rate: F32) -> None:
    """Note what intersection i has just searched with.

    ``expected`` [N, oldest + 1]: vehicles of a queue and those that arrive at it within ``heed`` seconds, as they would
    be counted e seconds from now if nobody left; ``expected_rate`` [N] saturation flow [veh/s].
    """
    queue, arrivals = outlook.queue, outlook.arrivals
    for k in range(layout.queue_ptr[i], layout.queue_ptr[i + 1]):
        expected_rate[k] = queue[k, RATE]
        total = queue[k, QUEUED]
        h = 0
        for e in range(expected.shape[1]):
            while h < min(e + pace.heed, arrivals.shape[1]):
                total += arrivals[k, h]
                h += 1
            expected[k, e] = total


@kernel
def is_news(i: int, e: int, layout: Layout, outlook: Outlook, pace: Pace, expected: F32, expected_rate: F32) -> bool:
    """Tell whether a queue of intersection i is otherwise than was expected e seconds ago.

    Queues at green may have let go as many as their saturation flow allows.
    """
    queue, arrivals = outlook.queue, outlook.arrivals
    for k in range(layout.queue_ptr[i], layout.queue_ptr[i + 1]):
        rate = queue[k, RATE]
        if abs(rate - expected_rate[k]) > pace.rate * expected_rate[k]:
            return True
        total = queue[k, QUEUED]
        for h in range(min(pace.heed, arrivals.shape[1])):
            total += arrivals[k, h]
        left = e * rate if queue[k, GREEN_AGE] > 0.0 else 0.0
        if total > expected[k, e] + pace.news or total < expected[k, e] - left - pace.news:
            return True
    return False


@kernel
def keep_to_news(
    time: int,
    row: I32,
    plan_row: I32,
    plan_start: I64,
    planned_at: I64,
    layout: Layout,
    outlook: Outlook,
    pace: Pace,
    expected: F32,
    expected_rate: F32,
    due: BOOLS,
) -> None:
    """Leave of those who are due [I] the ones that search anew, and note what they search with.

    They do so when their last search is too old, when what is shown is not what they planned, when their plan would
    change within a second, and when there is news.
    """
    for i in range(due.shape[0]):
        if not due[i]:
            continue
        e = (time - planned_at[i]) // 10
        settled = (
            0 <= e < pace.oldest
            and plan_row[i, 0] == row[i]
            and (plan_row[i, 1] < 0 or plan_start[i, 1] > time + 10)
            and not is_news(i, e, layout, outlook, pace, expected, expected_rate)
        )
        if settled:
            due[i] = False
        else:
            planned_at[i] = time
            foresee(i, layout, outlook, pace, expected, expected_rate)
