"""Where the real data for measuring are, for tests that need them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("NEUROMATION_REAL_DATA", Path(__file__).parents[3] / "shared" / "real"))


def real_data(name: str) -> Path:
    """The folder of one real set; the test is skipped where there is none."""
    if not (FOLDER / name).is_dir():
        pytest.skip(f"there is no {FOLDER / name}; point NEUROMATION_REAL_DATA at the folder with the real sets")
    return FOLDER / name
