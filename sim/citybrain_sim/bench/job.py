"""One run in a process of its own, asked for on stdin: ``python -m citybrain_sim.bench.job``; answers on stdout.

Workers of a cluster may not fork processes of their own, but they may start programs.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from citybrain.errors import CityBrainError, InputError
from citybrain_sim.experiment import run_one
from citybrain_sim.runs import RunSpec


def question(spec: RunSpec, out: Path, code: str) -> str:
    """Write the text that asks for a run into the folder ``out``."""
    return json.dumps({"spec": {**spec.document(), "sensors": spec.sensors}, "out": str(out), "code": code})


def main() -> None:
    """Read what is asked for, run it, say how it went; what SUMO prints goes to stderr."""
    answer_to = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    asked = json.load(sys.stdin)
    spec = RunSpec.from_document(asked["spec"], Path(asked["out"]))
    answer: dict[str, str | bool] = {}
    try:
        run_one(spec, None, asked["code"])
    except CityBrainError as error:
        answer = {"failure": str(error), "refused": isinstance(error, InputError)}
    with answer_to:
        json.dump(answer, answer_to)


if __name__ == "__main__":
    main()
