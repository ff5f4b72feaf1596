"""What goes in and out, as OpenAPI tells it. Times are tenths of a second since 1970-01-01T00:00:00Z, as integers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Tenths = Annotated[int, Field(description="[0.1 s since 1970-01-01T00:00:00Z]", examples=[17977968000])]
LONGEST_TEXT = 2000
LATEST = 2**53
"""Greatest integer that every JSON reader keeps exact."""

Why = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT, description="Reason, for the ledger.")]
Who = Annotated[
    str,
    Field(min_length=1, max_length=200, description="The person; the key's name and id are put beside it."),
]
Until = Annotated[int, Field(ge=0, le=LATEST, description="When it ends by itself [0.1 s since 1970].")]


class Document(BaseModel):
    """A body that people send: unknown fields are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OverrideRequest(Document):
    """A person's wish for one intersection; it goes through the guard as the engine's do."""

    intersection: str = Field(max_length=500, examples=["elm"])
    kind: Literal["stage", "pattern", "freeze", "fallback"] = Field(
        description="`stage`: show it as soon as is lawful and hold it; `pattern`: run it; `freeze`: hold the stage "
        "shown now; `fallback`: the controller runs its own pattern."
    )
    value: Annotated[int, Field(ge=0, le=LATEST)] | None = Field(
        default=None, description="Local number of the stage, or number of the pattern; not for the other kinds."
    )
    who: Who
    why: Why
    until: Until


class RollbackRequest(Document):
    """Wish to repeat an earlier plan."""

    seq: int = Field(ge=1, le=LATEST, description="`seq` of the plan to repeat.")
    who: Who
    why: Why
    until: Until


class OverrideMade(BaseModel):
    """An override is in force."""

    number: int = Field(examples=[12])


class Overrides(BaseModel):
    """Overrides in force."""

    time: Tenths
    overrides: list[dict[str, Any]] = Field(
        examples=[
            [
                {
                    "number": 12,
                    "intersection": "elm",
                    "kind": "stage",
                    "value": 1,
                    "who": "A. Officer (control room, 9c41d02a77b0e6f3)",
                    "why": "road works",
                    "begin": 17977968000,
                    "until": 17978004000,
                }
            ]
        ]
    )


class RowFault(BaseModel):
    """A fault and the rows that have it."""

    code: str = Field(examples=["unknown_sensor"])
    sentence: str = Field(description="What is wrong with the first of them.")
    rows: list[int] = Field(description="Their positions in the batch, from 0.")


class Verdicts(BaseModel):
    """What became of posted rows."""

    format: str = Field(examples=["citybrain/verdicts/1"])
    batch_id: str
    rows: int = Field(description="Rows in the batch.")
    accepted: int = Field(description="Rows that are kept; they are durable.")
    refused: list[RowFault] = Field(description="Why others were refused: by fault, with the rows that have it.")


class PlanSummary(BaseModel):
    """A plan in a few words."""

    plan_id: str
    seq: int


class IntersectionSummary(BaseModel):
    """An intersection in a few words."""

    id: str = Field(examples=["elm"])
    plan: PlanSummary | None = Field(description="Plan in force; null: the controller runs its own pattern.")
    alive: bool = Field(description="Its controller polled within its lease.")
    mode: str = Field(description="What the controller says it does.", examples=["adaptive"])


class Intersections(BaseModel):
    """All intersections, in the network's order."""

    time: Tenths
    intersections: list[IntersectionSummary]


class LaneState(BaseModel):
    """What is believed of one lane."""

    lane: str
    vehicles: float = Field(description="Vehicles on it [veh].")
    queue: float = Field(description="Those stopped or creeping [veh].")
    back_of_queue_m: float = Field(description="Distance of the last of them to the stop line [m].")
    flow: float = Field(description="Vehicles leaving it [veh/s].")
    confidence: float = Field(description="0 (nothing known) to 1.")
    age_s: float | None = Field(description="Since the last evidence [s]; null: never any.")


class Shown(BaseModel):
    """What the lamps are believed to show."""

    stage: int | None = Field(description="Local number of the stage shown or being changed to.")
    changing: bool
    since: Tenths


class IntersectionState(IntersectionSummary):
    """What is believed of one intersection."""

    time: Tenths
    shown: Shown | None = Field(description="Null before the first tick.")
    lanes: list[LaneState] = Field(description="Its stop-line lanes.")
    ack: dict[str, Any] | None = Field(description="Its controller's last acknowledgement.")


class NetworkState(BaseModel):
    """The network in a few figures."""

    time: Tenths
    vehicles: float = Field(description="Vehicles on its lanes [veh].")
    queue: float = Field(description="Those stopped or creeping [veh].")
    confidence: float = Field(description="Mean over all lanes, by length: 0 (nothing known) to 1.")
    intersections: int
    alive: int = Field(description="Controllers that polled within their lease.")
    modes: dict[str, int] = Field(description="Controllers by what they say they do.", examples=[{"adaptive": 9}])
    plans_in_force: int


class LinkState(BaseModel):
    """What is believed of one link."""

    origin: str
    target: str
    roads: list[str]
    length_m: float
    vehicles: float = Field(description="[veh]")
    queue: float = Field(description="[veh]")
    confidence: float = Field(description="Mean over its lanes, by length.")


class Links(BaseModel):
    """All links between intersections."""

    time: Tenths
    links: list[LinkState]


class Plans(BaseModel):
    """Plans of an intersection, newest first."""

    intersection: str
    plans: list[dict[str, Any]] = Field(description="Plan documents.")
    before: int | None = Field(description="Ask with this `before` for older ones; null: there are none.")


class Difference(BaseModel):
    """Where two plans differ."""

    intersection: str
    a: int
    b: int
    differences: list[dict[str, Any]] = Field(
        examples=[[{"path": "body.schedule.stages.1.begin", "a": 17977968000, "b": 17977968040}]]
    )


class LedgerEntry(BaseModel):
    """One link of the chain."""

    n: int
    at: Tenths
    kind: str = Field(examples=["plan"])
    intersection: str | None
    document: dict[str, Any]
    previous: str = Field(description="Hash of the entry before.")
    hash: str


class Ledger(BaseModel):
    """Entries in order."""

    entries: list[LedgerEntry]
    next: int | None = Field(description="Ask with this `from` for what follows; null: these were the last.")


class Option(BaseModel):
    """A course of stages."""

    name: str
    cost_tenths: int = Field(description="What it was thought to cost over the next 40 s [0.1 veh s].")


class Outcome(BaseModel):
    """What came of it, as estimated [0.1 veh]."""

    waiting_tenths: int = Field(description="Vehicles that waited when the plan was made.")
    waiting_later_tenths: int = Field(description="A minute later.")


class Explanation(BaseModel):
    """Who decided what an intersection showed, and on which grounds."""

    intersection: str
    time: Tenths
    plan: dict[str, Any] | None = Field(description="Plan in force; null: the controller ran its own pattern.")
    inputs: str | None = Field(description="Hash of what the tick that made the plan took in.")
    tick: int | None = Field(description="Time of that tick [0.1 s since 1970].")
    why: list[dict[str, Any]] = Field(description="Reasons, with estimates and their confidence.")
    constraint: str | None = Field(description="What bound the first stage.")
    author: dict[str, Any] | None = Field(description="Algorithm and version, or the person.")
    override: int | None = Field(description="`number` of the override behind it.")
    acknowledgements: list[dict[str, Any]] = Field(description="Of this plan, in order.")
    errors: list[dict[str, Any]] = Field(description="Faults within a minute of that time.")
    cost: Option | None = Field(description="The course chosen.")
    rejected: Option | None = Field(description="The best of the others.")
    pattern: Option | None = Field(description="The fixed pattern.")
    outcome: Outcome | None
    missing: str | None = Field(description="Why the last four could not be worked out, where they could not.")


class Times(BaseModel):
    """The service's clock and the engine's."""

    time: Tenths
    engine_time: Tenths


class Health(BaseModel):
    """The process lives."""

    status: Literal["alive"]


class Readiness(BaseModel):
    """Whether the service can do its work."""

    ready: bool
    reasons: list[str] = Field(description="Why not; empty where it is ready.")
