"""Where compiled kernels are kept. Imports nothing that may be missing, so that who looks for faults can ask."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """Find the folder: NUMBA_CACHE_DIR, or one of our own in the user's cache folder."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("NUMBA_CACHE_DIR") or user / "citybrain-engine")
