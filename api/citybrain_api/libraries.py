"""Which shared libraries of the system SUMO's prebuilt programs miss. Standard library only; runs before all else.

``python -m citybrain_api.libraries`` prints the Debian packages to install, nothing when all is well.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

DEBIAN_PACKAGE = {
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libGL.so.1": "libgl1",
    "libatomic.so.1": "libatomic1",
    "libexpat.so.1": "libexpat1",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
    "libz.so.1": "zlib1g",
}
"""Package of Debian and its kin that brings a library."""


def program(name: str) -> Path | None:
    """Program of the installed ``eclipse-sumo`` package, or None; the package itself is not imported."""
    spec = find_spec("sumo")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in (Path(folder, "bin", name), Path(folder, "bin", name + ".exe")):
            if path.is_file():
                return path
    return None


def sumo_binaries() -> list[Path]:
    """Installed SUMO programs and libraries that this project starts or loads."""
    found = [path for path in (program("sumo"), program("netconvert")) if path]
    spec = find_spec("libsumo")
    for folder in spec.submodule_search_locations or () if spec else ():
        found += sorted(Path(folder).glob("_libsumo*.so"))
    return found


def missing_libraries(binaries: list[Path]) -> list[str]:
    """Names of shared libraries that the loader does not find for these files; empty where it cannot be asked."""
    ldd = shutil.which("ldd")
    if ldd is None or not binaries:
        return []
    listing = subprocess.run([ldd, *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    return sorted({line.split()[0] for line in listing.splitlines() if line.rstrip().endswith("not found")})


def debian_packages(libraries: list[str]) -> list[str]:
    """Name the packages that bring the libraries; a library that is not known stands for itself."""
    return sorted({DEBIAN_PACKAGE.get(name, name) for name in libraries})


if __name__ == "__main__":
    sys.stdout.write(" ".join(debian_packages(missing_libraries(sumo_binaries()))))
