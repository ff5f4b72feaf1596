"""Starts and stops SUMO: libsumo inside this process, or traci to a SUMO beside it. Carries SUMO's own words in errors.

libsumo holds one simulation per process, and a second start silently replaces the first; so that nobody has to know
which of the two is at work, this module allows one simulation per process for both.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import subprocess
import sys
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citybrain.errors import ContractError, PlantError, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AS_TRACI = "LIBSUMO_AS_TRACI"
CONNECT_PAUSE = 0.05
"""Seconds between two tries to reach a SUMO that is still reading its network."""
CONNECT_TRIES = 12_000
QUOTED_LINES = 8
"""Lines of SUMO's own words in an error."""
LOG_TAIL = 20_000
"""Bytes at the end of SUMO's log that are searched for them."""

_started = False


class SumoSession:
    """One running simulation.

    Attributes
    ----------
    api : the domains (``vehicle``, ``lane``, ...), of libsumo or of a traci connection; both have the same names.
    version : what SUMO says of itself, such as ``SUMO 1.28.0``.
    """

    def __init__(
        self, api: Any, log: Path, process: subprocess.Popen[bytes] | None, failures: tuple[type[BaseException], ...]
    ) -> None:
        self.api = api
        self._log = log
        self._log_file = log.open("ab")
        self._process = process
        self._failures = failures
        self._open = True
        with self.talking():
            self.version = str(api.getVersion()[1])

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Hold this around every use of ``api``: what SUMO prints goes to its log, its failures become ours.

        Raises
        ------
        PlantError
            If SUMO fails; with its own words. The simulation is over then.
        """
        if not self._open:
            raise ContractError("the simulation is over; nothing can be asked of it any more")
        try:
            with _stderr_into(self._log_file.fileno()):
                yield
        except self._failures as failure:
            self.close()
            words = sumo_words(self._log, str(failure))
            raise PlantError(f"SUMO failed in mid-run: {words}\nAll it said is in {self._log}") from None

    def close(self) -> None:
        """End the simulation, so that SUMO finishes its output files. May be called more than once."""
        if not self._open:
            return
        self._open = False
        with suppress(*self._failures), _stderr_into(self._log_file.fileno()):
            self.api.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._log_file.close()


def start(options: Sequence[str], log: Path, binary: Path | None = None) -> SumoSession:
    """Start a simulation.

    Parameters
    ----------
    options : SUMO's command line without the program.
    log : file that everything goes to that SUMO prints.
    binary : a SUMO to start beside this process and to talk to by traci; None: libsumo.

    Raises
    ------
    ScenarioError
        If SUMO does not accept the options or the files that they name; with its own words.
    PlantError
        If libsumo or traci is not installed or cannot be loaded.
    ContractError
        If this process has had a simulation already.
    """
    global _started  # noqa: PLW0603  # libsumo is one simulation per process, which is what this flag says
    if _started:
        raise ContractError("one simulation per process: start another process for another simulation")
    _started = True
    log.write_bytes(b"")
    return _start_inside(options, log) if binary is None else _start_beside(options, log, binary)


def _start_inside(options: Sequence[str], log: Path) -> SumoSession:
    libsumo = _load("libsumo", as_traci=True)
    failures = (libsumo.TraCIException, libsumo.FatalTraCIError)
    try:
        with log.open("ab") as file, _stderr_into(file.fileno()):
            libsumo.start(["sumo", *options])
    except failures as failure:
        raise _refusal(log, str(failure)) from None
    return SumoSession(libsumo, log, None, failures)


def _start_beside(options: Sequence[str], log: Path, binary: Path) -> SumoSession:
    traci = _load("traci", as_traci=False)
    failures = (traci.TraCIException, traci.FatalTraCIError, OSError)
    port = _load("sumolib.miscutils", as_traci=False).getFreeSocketPort()
    environment = {**os.environ, **_home(binary)}
    with log.open("ab") as file:
        process = subprocess.Popen(
            [str(binary), *options, "--remote-port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    try:
        with redirect_stdout(io.StringIO()):  # traci prints every failed try
            api = traci.connect(port, CONNECT_TRIES, proc=process, waitBetweenRetries=CONNECT_PAUSE)
        return SumoSession(api, log, process, failures)
    except (*failures, PlantError) as failure:
        process.kill()
        process.wait()
        raise _refusal(log, str(failure)) from None
    except BaseException:
        process.kill()
        process.wait()
        raise


def _home(binary: Path) -> dict[str, str]:
    """SUMO_HOME of a SUMO given by path: its own data, not those of the one that is installed."""
    home = binary.resolve().parent.parent
    return {"SUMO_HOME": str(home)} if (home / "data").is_dir() else {}


def _load(module: str, *, as_traci: bool) -> Any:
    """Import one of SUMO's modules without what they print and without one posing as the other."""
    before = os.environ.pop(AS_TRACI, None)
    if as_traci:
        os.environ[AS_TRACI] = "quiet"
    try:
        with redirect_stdout(io.StringIO()):
            return importlib.import_module(module)
    except ImportError as missing:
        raise PlantError(
            f"SUMO's Python module {module!r} cannot be loaded ({missing}); install the project with its extra 'sim', "
            "and ask `citybrain doctor` for missing system libraries"
        ) from None
    finally:
        os.environ.pop(AS_TRACI, None)
        if before is not None:
            os.environ[AS_TRACI] = before


def known_options(binary: Path) -> frozenset[str]:
    """Names of the options that a SUMO given by path knows.

    Raises
    ------
    ScenarioError
        If there is no such program or it is not a SUMO.
    """
    try:
        answer = subprocess.run([str(binary), "--help"], capture_output=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as flaw:
        raise ScenarioError(f"{binary}: cannot be started as SUMO ({flaw}); give the path of a sumo program") from None
    names = frozenset(re.findall(r"--([a-z][\w.-]+)", answer.stdout.decode(errors="replace")))
    if "net-file" not in names:
        raise ScenarioError(f"{binary}: does not answer like SUMO; give the path of a sumo program")
    return names


def gui_binary() -> Path:
    """Find the sumo-gui of the installed SUMO.

    Raises
    ------
    PlantError
        If there is none.
    """
    home = _load("sumo", as_traci=False).SUMO_HOME
    binary = Path(home) / "bin" / ("sumo-gui.exe" if sys.platform == "win32" else "sumo-gui")
    if not binary.is_file():
        raise PlantError(f"{binary}: no such program; install eclipse-sumo, or run without the GUI")
    return binary


def _refusal(log: Path, failure: str) -> ScenarioError:
    return ScenarioError(f"SUMO does not start: {sumo_words(log, failure)}\nAll it said is in {log}")


def sumo_words(log: Path, failure: str) -> str:
    """Quote the exception's text and the last errors that SUMO printed, each line once."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    quoted = [line.strip() for line in failure.splitlines()]
    in_error = False
    for line in lines:
        in_error = line.startswith("Error:") or (in_error and line.startswith(" "))
        words = line.removeprefix("Error:").strip()
        if in_error and words not in quoted:
            quoted.append(words)
    return "\n".join(quoted[-QUOTED_LINES:])


@contextmanager
def _stderr_into(target: int) -> Iterator[None]:
    """Send what C code prints to stderr elsewhere for a moment."""
    saved = os.dup(2)
    os.dup2(target, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
