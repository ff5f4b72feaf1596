"""Results know which code made them: any code that a run uses, and nothing else."""

from __future__ import annotations

import ast

from citybrain_sim.code_version import ROOT, _Bare, code_version, read_code


def test_it_covers_what_a_run_uses_also_what_is_imported_late() -> None:
    names = set(read_code(ROOT))
    assert {"citybrain.control.planner", "citybrain_kernels.planner", "citybrain.guard", "citybrain_sim.trips"} <= names
    assert not any(
        name.startswith(("citybrain.live", "citybrain.storage", "citybrain_sim.comparison")) for name in names
    )


def test_it_is_short_and_stands_still() -> None:
    assert code_version() == code_version()
    assert len(code_version()) == 12


def test_comments_and_words_do_not_count_but_code_does() -> None:
    def read(source: str) -> str:
        return ast.dump(_Bare().visit(ast.parse(source)))

    first = read('"""Words."""\nif TYPE_CHECKING:\n    import x\ndef f():\n    """More."""\n    return 1  # why\n')
    assert first == read('"""Others."""\ndef f():\n    "Less."\n    return 1\n')
    assert first != read("def f():\n    return 2\n")
