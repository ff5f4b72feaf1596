"""``citybrain ledger``: who decided what. Works while the service runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citybrain.clock import moment_text, read_moment
from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import FAILED, clear_errors, tell
from citybrain_api.key_commands import DATA, Data

if TYPE_CHECKING:
    from citybrain.live.explain import Explanation

ledger_app = typer.Typer(help="The ledger of the live service: who decided what, and why.", no_args_is_help=True)


@ledger_app.command()
def verify(
    data: Data = DATA,
    expect: Annotated[
        str | None,
        typer.Option(metavar="N:HASH", help="A head that this command printed earlier, kept elsewhere."),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Check every entry and every published plan; exit code 1 at the first that was changed, removed or put in.

    Note the head that it prints in another place: only a noted head shows that entries were cut off at the end.
    """
    with clear_errors(Path()):
        known = None if expect is None else _read_head(expect)
        from citybrain.storage.audit import audit  # noqa: PLC0415 - keeps --help quick
        from citybrain.storage.store import open_store  # noqa: PLC0415 - likewise

        with open_store(data, create=False) as store:
            found = audit(store, known)
        head = f"{found.entries}:{found.head}"
        if as_json:
            document = {"entries": found.entries, "plans": found.plans, "head": head, "fault": found.fault}
            typer.echo(json.dumps(document, indent=1))
        elif found.fault is None:
            typer.echo(f"the ledger holds: {found.entries} entries, {found.plans} plans, head {head}")
        if found.fault is not None:
            tell(f"the ledger is broken: {found.fault}; {found.entries} entries before it hold")
            raise typer.Exit(FAILED)


When = Annotated[
    str,
    typer.Argument(
        metavar="TIME", help="2026-11-22T07:30:00Z, or tenths of a second since 1970; a twin's day is 1970-01-01."
    ),
]


@ledger_app.command()
def explain(
    intersection: Annotated[str, typer.Argument(metavar="INTERSECTION", help="Its id.")],
    time: When,
    data: Data = DATA,
    as_json: opt.Json = False,
) -> None:
    """Explain what an intersection was told to show: inputs, confidence, constraint, alternative, plan, outcome.

    The minute is carried out again from the record, so that what was rejected and what the fixed pattern would have
    shown have a price, by the controller's own prediction.
    """
    with clear_errors(Path()):
        at = read_moment(time)
        from citybrain.storage.store import open_store  # noqa: PLC0415 - keeps --help quick
        from citybrain_api.explanations import explain_at  # noqa: PLC0415 - likewise

        with open_store(data, create=False) as store:
            found = explain_at(store, intersection, at)
        if as_json:
            typer.echo(json.dumps(found.document(), indent=1))
        else:
            typer.echo("\n".join(_in_words(found)))


@ledger_app.command()
def replay(
    time: When,
    data: Data = DATA,
    minutes: Annotated[int, typer.Option(min=1, help="How many minutes.")] = 1,
    as_json: opt.Json = False,
) -> None:
    """Carry out some minutes again from the record; exit code 1 if any plan comes out otherwise than it is kept."""
    with clear_errors(Path()):
        at = read_moment(time)
        from citybrain.live.explain import MINUTE, replay_minute  # noqa: PLC0415 - keeps --help quick
        from citybrain.storage.store import open_store  # noqa: PLC0415 - likewise
        from citybrain_api.explanations import street_at  # noqa: PLC0415 - likewise

        with open_store(data, create=False) as store:
            done = replay_minute(store, street_at(store, at), at, minutes * MINUTE)
        if as_json:
            typer.echo(
                json.dumps({"ticks": done.ticks, "plans": done.plans, "differences": done.differences}, indent=1)
            )
        elif not done.differences:
            typer.echo(f"{done.ticks} ticks carried out again, {done.plans} plans, all as they are kept")
        if done.differences:
            tell("the replay differs from the record: " + "; ".join(done.differences))
            raise typer.Exit(FAILED)


def _in_words(found: Explanation) -> list[str]:
    """Put an explanation into lines for people."""
    lines = [f"{found.intersection} at {moment_text(found.time)}"]
    if found.plan is None or found.tick is None:
        return [*lines, "no plan of the centre was in force: the cabinet ran its own pattern", *_errors(found)]
    plan, author = found.plan, found.author or {}
    whose = f"{author.get('name')} {author.get('version') or ''}".strip()
    lines.append(f"plan {plan['seq']} by {whose}, valid from {moment_text(plan['valid_from'])}; {plan['plan_id']}")
    if found.override is not None:
        lines.append(f"by override {found.override}")
    lines.append(f"inputs  tick of {moment_text(found.tick)}, {found.inputs}")
    lines += [f"why     {reason.get('text')}" for reason in found.why]
    if found.constraint is not None:
        lines.append(f"bound   {found.constraint}")
    for name, option in (("chosen", found.cost), ("instead", found.rejected), ("fixed", found.pattern)):
        if option is not None:
            lines.append(f"{name:8}{option.name}: {option.cost_tenths / 10:.1f} vehicle-seconds expected")
    lines += [
        f"ack     {moment_text(ack['at'])} {ack['verdict']}, mode {ack['mode']}"
        + (f", {ack['code']}" if ack["code"] else "")
        for ack in found.acknowledgements
    ]
    if found.missing is not None:
        lines.append(f"instead not worked out: {found.missing}")
    if found.outcome is not None:
        waiting, later = (found.outcome[name] / 10 for name in ("waiting_tenths", "waiting_later_tenths"))
        lines.append(f"outcome {waiting:.1f} vehicles waited then, {later:.1f} a minute later, as estimated")
    return lines + _errors(found)


def _errors(found: Explanation) -> list[str]:
    return [f"error   {json.dumps(error)}" for error in found.errors]


def _read_head(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"([0-9]{1,18}):(sha256:[0-9a-f]{64})", text)
    if match is None:
        raise InputError(f"--expect {text!r} is no head: give NUMBER:sha256:HASH as this command prints it")
    return int(match[1]), match[2]
