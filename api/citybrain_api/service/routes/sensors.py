"""Whether the sensors are well."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from citybrain.units import to_tenths
from citybrain_api.service.access import PersonKey, ServiceNeeded
from citybrain_api.service.documents import Tenths
from citybrain_api.service.problems import declared

router = APIRouter(tags=["people"])


class SensorState(BaseModel):
    """One sensor: where it is, what it is, why, and what stands in for it."""

    sensor: str
    kind: str = Field(description="stop_loop, advance_loop, exit_loop, count_loop, camera or camera_count.")
    lanes: list[str]
    distance_m: float = Field(description="To the lane's end; of a camera, its sight.")
    status: str = Field(description="well, suspect or sick.", examples=["sick"])
    fault: str | None = Field(examples=["stuck off"])
    since: Tenths = Field(description="Begin of the status.")
    trust: float = Field(description="How far it is believed, 0 to 1.")
    lost_lanes: list[str] = Field(description="Lanes that a camera reports no more.")
    reason: str
    score: float = Field(description="Of the test that speaks against it most.")
    limit: float = Field(description="Score from which on it counts as sick.")
    figures: dict[str, float] = Field(description="Evidence; the health page explains each.")
    substitute: str | None = Field(description="What stands in for it.")
    made_up: int = Field(description="Vehicles that were put in for it so far.")


class SensorList(BaseModel):
    """All sensors at the engine's last tick."""

    time: Tenths
    sensors: list[SensorState]


@router.get("/v1/sensors", summary="Whether the sensors are well", responses=declared(401, 403, 429, 503))
def sensors(shared: ServiceNeeded, _key: PersonKey) -> SensorList:
    """Tell of every sensor whether it is well, and if not, of what it is sick, since when, why, and what stands in."""
    snapshot = shared.snapshot()
    told = [
        SensorState(since=snapshot.origin + to_tenths(document.pop("since_s")), **document)
        for document in snapshot.sensors.documents()
    ]
    return SensorList(time=snapshot.time, sensors=told)
