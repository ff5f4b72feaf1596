"""What the centre knows of every cabinet: controller data, their hash and checker, and whose stage is which row.

May import plans, the cabinet's tables and the tables of the street.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.cabinet.tables import Tables, read_tables
from citybrain.errors import InputError
from citybrain.plans.checker import Checker
from citybrain.plans.controller_data import config_hash, controller_data

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Site


@dataclass(frozen=True)
class Book:
    """All cabinets of a street; immutable. Index i intersections, r rows, k stages of one intersection.

    Attributes
    ----------
    index : number of an intersection by its id; ``ids`` the other way round.
    data, config_hash, checker, tables : per intersection.
    stage_row : per intersection the row of each of its stages.
    row_stage : [R] local number of the stage that a row is, -1 for others.
    row_intersection : [R].
    """

    ids: tuple[str, ...]
    index: dict[str, int]
    data: tuple[dict[str, Any], ...]
    config_hash: tuple[str, ...]
    checker: tuple[Checker, ...]
    tables: tuple[Tables, ...]
    stage_row: tuple[NDArray[np.int32], ...]
    row_stage: NDArray[np.int32]
    row_intersection: NDArray[np.int32]

    def find(self, intersection: str) -> int:
        """Give the number of an intersection.

        Raises
        ------
        InputError
            If there is none of this id.
        """
        try:
            return self.index[intersection]
        except KeyError:
            raise InputError(f"there is no intersection {intersection!r:.80} here") from None

    @property
    def fingerprint(self) -> str:
        """Hash over all controller data: of another street, or of other timings, it is another."""
        return "sha256:" + hashlib.sha256("".join(self.config_hash).encode()).hexdigest()


def make_book(site: Site, lead: int, time_zone: str = "UTC") -> Book:
    """Write the controller data of a street.

    Parameters
    ----------
    lead : least time from the publication of a plan to its beginning [tenths].

    Raises
    ------
    NetworkError
        If an intersection has no lawful pattern to fall back to.
    """
    network, signals = site.network, site.signals
    data = tuple(
        {**controller_data(network, signals, site.timings, i, time_zone), "lead": lead}
        for i in range(network.n_intersections)
    )
    checkers = tuple(Checker(document) for document in data)
    row_stage = np.full(signals.n_rows, -1, dtype=np.int32)
    stage_row = tuple(signals.stages(i) for i in range(network.n_intersections))
    for rows in stage_row:
        row_stage[rows] = np.arange(len(rows))
    counts = np.diff(signals.row_ptr)
    return Book(
        ids=network.intersection_id,
        index={name: i for i, name in enumerate(network.intersection_id)},
        data=data,
        config_hash=tuple(config_hash(document) for document in data),
        checker=checkers,
        tables=tuple(read_tables(*pair) for pair in zip(data, checkers, strict=True)),
        stage_row=stage_row,
        row_stage=row_stage,
        row_intersection=np.repeat(np.arange(len(counts), dtype=np.int32), counts),
    )
