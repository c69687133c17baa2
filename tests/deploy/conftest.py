"""The offline validators, found or skipped with a word."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Validate = Callable[..., str]


@pytest.fixture(scope="session")
def validate() -> Validate:
    """`validate("hadolint", "Dockerfile")` runs a tool of the deploy group from the project's root; all it said."""

    def run(tool: str, *arguments: str | Path) -> str:
        program = Path(sys.executable).with_name(tool)
        if not program.exists():
            pytest.skip(f"{tool} is not installed: uv sync --inexact --group deploy")
        root = Path(__file__).parents[2]
        done = subprocess.run([program, *map(str, arguments)], cwd=root, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said

    return run
