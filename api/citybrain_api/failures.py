"""How errors reach people: one message and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from citybrain.errors import CityBrainError, ContractError, InputError

if TYPE_CHECKING:
    from citybrain_sim.workers import RunEvent

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130
TERMINATED = 143


class TerminatedError(KeyboardInterrupt):
    """SIGTERM: ends what Ctrl-C ends, and in the same way."""


def end_in_order_when_terminated() -> None:
    """Have SIGTERM end commands as Ctrl-C does, so that what they started ends with them."""
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(signum: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a signal handler
    raise TerminatedError


@contextmanager
def clear_errors(folder: Path, *, goes_on: bool = False) -> Iterator[None]:
    """Turn whatever goes wrong inside into one message on stderr and an exit code.

    Parameters
    ----------
    folder : where runs are recorded; takes the traceback of an error that nobody expected.
    goes_on : the same command, given again, goes on where it was stopped.

    Raises
    ------
    typer.Exit
        2 for bad input, 1 for a failure in mid-run, 130 after Ctrl-C, 143 after SIGTERM.
    """
    try:
        yield
    except (typer.Exit, typer.BadParameter):
        raise
    except InputError as error:
        tell(f"error: {error}")
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt as stop:
        kept = f"; finished runs are kept in {folder}: the same command goes on from there" if goes_on else ""
        tell(f"stopped{kept}")
        raise typer.Exit(TERMINATED if isinstance(stop, TerminatedError) else INTERRUPTED) from None
    except BrokenPipeError:
        # The reader of our output (head, less) has gone; Python's own flush at exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    except CityBrainError as error:
        if isinstance(error, ContractError):
            _tell_of_a_bug(error, folder)
        else:
            tell(f"failed: {error}")
        raise typer.Exit(FAILED) from None
    except Exception as error:  # noqa: BLE001  the last door before the user: nothing may fall through as a traceback
        _tell_of_a_bug(error, folder)
        raise typer.Exit(FAILED) from None


def tell(message: str) -> None:
    """Say one thing to the person at the terminal."""
    typer.echo(f"citybrain: {message}", err=True)


def tell_failures(events: Iterable[RunEvent]) -> None:
    """Tell why runs failed; wrong input once per scenario, because all its runs meet it."""
    events = list(events)
    for scenario in dict.fromkeys(event.spec.scenario for event in events if event.refused):
        same = [event for event in events if event.refused and event.spec.scenario == scenario]
        more = f" (and {len(same) - 1} more runs of it)" if len(same) > 1 else ""
        tell(f"error: {scenario}: {same[0].failure}{more}")
    for event in events:
        if not event.refused:
            spec = event.spec
            tell(f"failed: {spec.scenario_label} {spec.controller} seed {spec.seed}: {event.failure}")


def _tell_of_a_bug(error: Exception, folder: Path) -> None:
    text = "".join(traceback.format_exception(error))
    for place in (folder, Path(tempfile.gettempdir())):
        file = place / "citybrain-error.txt"
        try:
            place.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError:
            continue
        tell(
            f"an error that should not happen: {type(error).__name__}: {error}\n"
            f"Please report it with the file {file} and the output of `citybrain doctor`. Finished runs are kept."
        )
        return
    tell(f"an error that should not happen, and no folder to describe it in: {type(error).__name__}: {error}")
