"""Sets counting sensors into the cells of lanes: tables of the estimator.

May import network, observations and the kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain.observations import COUNTERS, SensorKind
from citybrain.units import JAM_SPACING
from citybrain_kernels.counts import PAST, Counters
from citybrain_kernels.turns import Turns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.network import Network
    from citybrain.observations import SensorTable
    from citybrain_kernels.lanes import Layout

LONG_AGO, NEVER = -1e9, 1e18
LOOP_SURENESS, CAMERA_SURENESS = 0.3, 0.4
"""Confidence in a lane right after a count: it tells what was, and a camera also how many wait."""


def make_counters(sensors: SensorTable, layout: Layout) -> Counters:
    """Counters that have told nothing yet; which are heeded is filled in by :func:`trust_counters`."""
    n_x = len(sensors.sensor_id)
    loop, camera = (sensors.kind == kind for kind in COUNTERS)
    number = np.where(loop, 1, np.where(camera, np.diff(sensors.cover_ptr), 0))
    sensor = np.repeat(np.arange(n_x), number)
    by_camera = camera[sensor]
    home = sensors.lane[sensor]
    home[by_camera] = sensors.cover_lane[np.repeat(camera, np.diff(sensors.cover_ptr))]
    cells = np.diff(layout.cell_ptr)[home] - 1
    away = np.where(by_camera, 0.0, sensors.distance[sensor])
    sight = np.minimum(sensors.distance[sensor], cells * layout.cell_length[home])
    n_k = len(home)
    return Counters(
        ptr=np.concatenate(([0], np.cumsum(number))).astype(np.int32),
        home=home.astype(np.int32),
        lane=np.full(n_k, -1, dtype=np.int32),
        boundary=np.clip(np.round(away / layout.cell_length[home]), 0, cells).astype(np.int32),
        reach=np.where(by_camera, np.maximum(sight / JAM_SPACING, 1.0), 0.0),
        passed=np.zeros((n_k, PAST)),
        queued=np.zeros((n_k, PAST)),
        inside=np.zeros(n_k),
        total=np.zeros(n_k),
        cleared=np.full(n_k, LONG_AGO),
        since=np.full(n_k, NEVER),
        latest=np.full(n_k, LONG_AGO),
        waited=np.zeros(n_k),
        waited_at=np.full(n_k, LONG_AGO),
        until=np.full(n_k, LONG_AGO),
        rate=np.zeros(n_k),
        taken=np.zeros(n_k, dtype=np.int32),
    )


def trust_counters(
    sensors: SensorTable, trust: NDArray[np.float64], seen: NDArray[np.bool_], counters: Counters
) -> NDArray[np.float64]:
    """Heed the counters that are trusted and whose lane nothing sees at once; ``counters.lane`` is written.

    Parameters
    ----------
    trust : [X] 0 (the sensor counts as absent) to 1.
    seen : [L] loops with events or cameras with objects watch the lane.

    Returns
    -------
    sureness : [L] confidence right after a count.
    """
    number = np.diff(counters.ptr)
    sureness = np.zeros(len(seen))
    heeded = (np.repeat(trust, number) > 0) & ~seen[counters.home]
    counters.lane[:] = np.where(heeded, counters.home, -1)
    sure = np.where(np.repeat(sensors.kind == SensorKind.CAMERA_COUNT, number), CAMERA_SURENESS, LOOP_SURENESS)
    np.maximum.at(sureness, counters.home[heeded], (sure * np.repeat(trust, number))[heeded])
    return sureness


def make_turns(network: Network, sensors: SensorTable) -> Turns:
    """Make the memory of turning counts of which none has come yet; all cameras are heeded."""
    n_m = network.n_movements
    return Turns(
        cover_ptr=sensors.cover_ptr,
        cover_lane=sensors.cover_lane,
        heeded=np.ones(len(sensors.cover_lane), dtype=np.bool_),
        road=network.lane_edge[network.move_to].astype(np.int32),
        told=np.zeros(n_m),
        before=np.zeros(n_m),
        until=np.full(n_m, LONG_AGO),
        share=np.zeros(n_m),
    )


def heed_turns(sensors: SensorTable, trust: NDArray[np.float64], sight: NDArray[np.float64], turns: Turns) -> None:
    """Heed what cameras that are trusted say of lanes that they see; ``turns.heeded`` is written.

    Parameters
    ----------
    trust : [X] 0 (the sensor counts as absent) to 1.
    sight : [rows of ``cover_lane``] the same for each lane of a camera.
    """
    turns.heeded[:] = np.repeat(trust, np.diff(sensors.cover_ptr)) * sight > 0.0
