"""The doctor finds what is missing and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from citybrain_api import doctor, libraries


def ldd_saying(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program ``ldd`` on the path that prints ``text``."""
    (folder / "listing").write_text(text)
    (folder / "ldd").write_text(f"#!/bin/sh\ncat '{folder / 'listing'}'\n")
    (folder / "ldd").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def named(checks: list[doctor.Check], name: str) -> doctor.Check:
    """Return the check of that name."""
    return next(check for check in checks if check.name == name)


def test_a_missing_system_library_is_named_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = "sumo:\n\tlibz.so.1 => /lib/libz.so.1 (0x1)\n\tlibGL.so.1 => not found\n\tlibodd.so.3 => not found\n"
    ldd_saying(tmp_path, listing, monkeypatch)
    assert libraries.missing_libraries([tmp_path]) == ["libGL.so.1", "libodd.so.3"]
    assert libraries.debian_packages(["libGL.so.1", "libodd.so.3"]) == ["libgl1", "libodd.so.3"]


def test_the_doctor_passes_it_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "missing_libraries", lambda _: ["libX11.so.6", "libatomic.so.1"])
    check = named(doctor.examine(), "system libraries")
    assert check.status == "missing"
    assert check.remedy == "run: sudo apt-get install libatomic1 libx11-6"


def test_nothing_to_ask_is_nothing_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert libraries.missing_libraries([tmp_path]) == []


def test_this_machine_is_healthy() -> None:
    checks = doctor.examine()
    assert doctor.healthy(checks), [check for check in checks if check.status == "missing"]
    assert named(checks, "SUMO starts").found.startswith("Eclipse SUMO")


def test_without_sumo_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "program", lambda _: None)
    checks = doctor.examine()
    assert not doctor.healthy(checks)
    assert "scripts/setup" in named(checks, "SUMO starts").remedy


def test_a_sumo_that_does_not_start_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "sumo"
    broken.write_text("#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setattr(doctor, "program", lambda _: broken)
    check = named(doctor.examine(), "SUMO starts")
    assert check.status == "missing"
    assert "shared libraries" in check.found


def test_a_package_of_another_release_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "version", lambda _: "1.20.0")
    check = named(doctor.examine(), "libsumo")
    assert check.status == "missing"
    assert "1.20.0" in check.found


def test_what_only_some_things_need_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.touch()
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path / "absent"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocker / "cache"))
    checks = doctor.examine()
    assert named(checks, "scenarios").status == "optional"
    assert "hangzhou1" in named(checks, "scenarios").found
    assert named(checks, "compiled kernels are kept").status == "optional"
    assert doctor.healthy(checks)


def test_the_document_holds_every_check() -> None:
    checks = [doctor.Check("a", "ok", "1"), doctor.Check("b", "missing", "no", "do it")]
    assert doctor.to_document(checks) == {
        "ok": False,
        "checks": [
            {"name": "a", "status": "ok", "found": "1", "remedy": ""},
            {"name": "b", "status": "missing", "found": "no", "remedy": "do it"},
        ],
    }
