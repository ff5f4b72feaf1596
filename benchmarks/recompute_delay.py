"""Recompute the delay of every finished run below a folder from SUMO's own tripinfo.xml, and compare.

    python benchmarks/recompute_delay.py FOLDER

Shares nothing with the project: standard library only. Delay of a vehicle is timeLoss + departDelay, over every vehicle
that was due to depart in the window, arrived or not, inserted or not. Exit code 1 where a figure differs by more than
0.01 s or a vehicle is missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

TOLERANCE_S = 0.01


def recompute(tripinfo: Path, begin: float, end: float) -> tuple[float, int]:
    """Mean delay [s] and number of vehicles of one run."""
    total, count = 0.0, 0
    for _, element in ET.iterparse(tripinfo):
        if element.tag != "tripinfo":
            continue
        backlog = float(element.attrib["departDelay"])
        due = end - backlog if float(element.attrib["depart"]) < 0 else begin
        if begin <= due < end:
            total += float(element.attrib["timeLoss"]) + backlog
            count += 1
        element.clear()
    return (total / count if count else 0.0), count


def main(root: Path) -> int:
    """Compare all runs below a folder; print one line for each."""
    results = sorted(root.rglob("result.json"))
    if not results:
        print(f"no finished run below {root}", file=sys.stderr)
        return 1
    wrong = 0
    print(f"{'reported':>10} {'tripinfo':>10} {'vehicles':>9}  run")
    for path in results:
        document = json.loads(path.read_text(encoding="utf-8"))
        run = document["run"]
        delay, count = recompute(path.with_name("tripinfo.xml"), document["begin_s"], document["end_s"])
        same = abs((run["delay_s"] or 0.0) - delay) <= TOLERANCE_S and run["loaded"] == count
        wrong += not same
        mark = "" if same else "  DIFFERS"
        print(f"{run['delay_s'] or 0.0:10.3f} {delay:10.3f} {count:9d}  {path.parent.relative_to(root)}{mark}")
    print(f"{len(results) - wrong} of {len(results)} runs agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    sys.exit(main(Path(sys.argv[1])))
