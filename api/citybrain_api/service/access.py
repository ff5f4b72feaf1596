"""Who may do what: from a request's key to its principal, its rate and its intersections."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer

from citybrain.clock import stopwatch
from citybrain_api.service.core import Service, service
from citybrain_api.service.door import BEARER, PRINCIPAL
from citybrain_api.service.keys import Principal
from citybrain_api.service.problems import ProblemError
from citybrain_api.service.settings import Scope

BEARER_SCHEME = HTTPBearer(
    bearerFormat="cb_<key id>_<secret>",
    description="A key made by `citybrain keys add`: `Authorization: Bearer cb_...`.",
    scheme_name="key",
    auto_error=False,
)
PEOPLE = (Scope.READER, Scope.OPERATOR)

ServiceNeeded = Annotated[Service, Depends(service)]


def principal_of(*scopes: Scope) -> Callable[..., Principal]:
    """Make the dependency that lets keys of some scopes pass, at their rate."""

    def check(request: Request, shared: ServiceNeeded, _scheme: Annotated[object, Depends(BEARER_SCHEME)]) -> Principal:
        text = request.headers.get("authorization", "")
        challenge = {"WWW-Authenticate": "Bearer"}
        if not text.startswith(BEARER):
            told = "send a key: `Authorization: Bearer cb_...`; `citybrain keys add` makes one"
            raise ProblemError(401, told, headers=challenge)
        principal = shared.keys.find(text[len(BEARER) :].strip())
        if principal is None:
            raise ProblemError(401, "the key is unknown or revoked", code="key_unknown", headers=challenge)
        request.scope["state"][PRINCIPAL] = principal
        if principal.scope not in scopes:
            told = f"a key of scope {principal.scope} may not do this; it takes one of {', '.join(scopes)}"
            raise ProblemError(403, told, code="wrong_scope")
        wait_s = principal.bucket.take(stopwatch())
        if wait_s:
            after = {"Retry-After": str(math.ceil(wait_s))}
            raise ProblemError(429, f"the key's rate is used up; ask again in {wait_s:.1f} s", headers=after)
        return principal

    return check


def intersection_of(shared: Service, intersection: str, principal: Principal) -> str:
    """Return the intersection where it is controlled from here and the key reaches it.

    Raises
    ------
    ProblemError
        403 where the key does not reach it, 410 where it was controlled from here once, 404 where it never was.
    """
    if not principal.reaches(intersection):
        raise ProblemError(403, f"the key is not good for intersection {intersection!r}", code="wrong_intersection")
    if intersection in shared.intersections:
        return intersection
    if intersection in shared.retired:
        raise ProblemError(410, f"intersection {intersection!r} is not controlled from here any more")
    told = f"there is no intersection {intersection!r} here; GET /v1/intersections lists all"
    raise ProblemError(404, told, code="unknown_intersection")


IntersectionId = Annotated[
    str, Path(description="Id of the intersection, as in the network.", examples=["elm"], max_length=500)
]
FieldKey = Annotated[Principal, Depends(principal_of(Scope.FIELD))]
ControllerKey = Annotated[Principal, Depends(principal_of(Scope.CONTROLLER))]
ControllerOrPersonKey = Annotated[Principal, Depends(principal_of(Scope.CONTROLLER, *PEOPLE))]
PersonKey = Annotated[Principal, Depends(principal_of(*PEOPLE))]
OperatorKey = Annotated[Principal, Depends(principal_of(Scope.OPERATOR))]
AnyKey = Annotated[Principal, Depends(principal_of(*Scope))]
