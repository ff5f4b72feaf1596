"""Pages that show tables of results, between marks, so that no figure is typed by hand.

A mark names a suite and a table: ``<!-- bench headline delay modern -->``; everything up to ``<!-- bench end -->`` is
written anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citybrain.errors import InputError
from citybrain_sim.bench.tables import make_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from citybrain_sim.bench.tables import Results

END = "<!-- bench end -->"
MARK = re.compile(r"<!-- bench (?!end -->)(\S+) ([a-z ]+?) -->")


def fill_pages(pages: Sequence[Path], results: Mapping[str, Results]) -> dict[Path, str]:
    """Fill the marked places of pages.

    Parameters
    ----------
    results : by the name of their suite; places of other suites stay as they are.

    Returns
    -------
    dict
        The new text of every page that has a place for these results. Nothing is written.

    Raises
    ------
    InputError
        If a page cannot be read, a mark has no end or names no table, or no page has a place for a suite.
    """
    texts = {}
    used: set[str] = set()
    for page in pages:
        try:
            old = page.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as flaw:
            raise InputError(f"{page}: cannot be read ({flaw}); name a page that has marks") from None
        found = {mark[1] for mark in MARK.finditer(old)} & results.keys()
        if found:
            texts[page] = _fill(old, page, results)
            used |= found
    without = [name for name in results if name not in used]
    if without:
        raise InputError(
            f"no page has a place for {', '.join(without)}; write <!-- bench {without[0]} delay --> and {END} into one"
        )
    return texts


def _fill(text: str, page: Path, results: Mapping[str, Results]) -> str:
    parts = []
    done = 0
    for mark in MARK.finditer(text):
        end = text.find(END, mark.end())
        following = MARK.search(text, mark.end())
        if end < 0 or (following is not None and following.start() < end):
            line = text.count("\n", 0, mark.start()) + 1
            raise InputError(f"{page}, line {line}: {mark[0]} has no end; write {END} behind its place")
        if mark[1] in results:
            parts += [text[done : mark.end()], f"\n{make_table(mark[2], results[mark[1]])}\n"]
            done = end
    return "".join([*parts, text[done:]])
