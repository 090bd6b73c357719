"""pytest-benchmark makes its storage's folder when pytest starts, also where nothing is ever stored."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

_STORING = ("benchmark_save", "benchmark_autosave", "benchmark_compare")  # then the folder is meant


def keep_out(config: pytest.Config) -> None:
    """Let an empty storage lie in the box instead of the project, unless this run stores or compares."""
    options = vars(config.option)
    if "benchmark_storage" in options and not any(options.get(word) for word in _STORING):
        config.option.benchmark_storage = str(Path(tempfile.gettempdir(), "benchmarks"))
