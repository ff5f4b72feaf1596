"""The page: sections in order, with style and script inside, so that it needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import citybrain
from citybrain_api.report.explorer import explorer_section, shipped
from citybrain_api.report.first_page import first_page, measures_section
from citybrain_api.report.markup import Markup, join, tag
from citybrain_api.report.movement_sections import movements_section
from citybrain_api.report.naming import Names
from citybrain_api.report.phases import phases_section
from citybrain_api.report.place_sections import maps_section
from citybrain_api.report.time_sections import (
    making_section,
    sensors_section,
    spread_section,
    time_section,
)
from citybrain_api.report.words import verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citybrain_api.report.evidence import Evidence

CONTENTS = (
    ("measures", "All measures"),
    ("where", "Where"),
    ("movements", "Who lost, who gained"),
    ("time", "Over time"),
    ("spread", "How delay is spread"),
    ("phases", "What controllers' logs say"),
    ("explorer", "Signals and corridors"),
    ("sensors", "Sensors"),
    ("making", "How this was made"),
)


def render(evidence: Evidence, settings: Mapping[str, str], command: str) -> str:
    """Write the whole page."""
    names = None if evidence.site is None else Names(evidence.site)
    found = verdict(evidence, names)
    sections = join(
        (
            measures_section(evidence),
            maps_section(evidence, names),
            movements_section(evidence, names),
            time_section(evidence),
            spread_section(evidence),
            phases_section(evidence, names),
            explorer_section(evidence, names),
            sensors_section(evidence),
            making_section(evidence, settings, command),
        )
    )
    contents = [tag("a", text, href=f"#{name}") for name, text in CONTENTS if f'id="{name}"' in sections]
    scenario = evidence.study.first.result.scenario
    body = (
        tag("main", first_page(evidence, found), tag("nav", join(contents)), sections),
        tag("footer", f"Written by citybrain report, version {citybrain.__version__}. This page loads nothing."),
    )
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{scenario}: {found.title}"),
        tag("style", Markup(shipped("page.css"))),
    )
    return "<!doctype html>\n" + tag("html", tag("head", *head), tag("body", *body), lang="en") + "\n"
