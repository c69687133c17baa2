"""The command line: every command can be loaded, and one that needs no model does not wait for any."""

from __future__ import annotations

import subprocess
import sys

import typer.main

from cli.main import COMMANDS, build_app

HEAVY = ("agents", "langgraph", "onnxruntime", "openai", "twilio", "googleapiclient")
LIGHT = ("ledger", "report", "reviews", "dlq", "customers", "keys", "proof", "migrate")


def test_the_command_line_has_every_command_and_no_other() -> None:
    assert list(typer.main.get_command(build_app()).commands) == list(COMMANDS)  # pyright: ignore[reportAttributeAccessIssue]


def test_a_command_that_needs_no_model_imports_none() -> None:
    script = (
        "import sys; from cli.main import build_app; build_app(sys.argv[2:]); "
        "print([name for name in sys.argv[1].split(',') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", script, ",".join(HEAVY), *LIGHT], capture_output=True, text=True)
    assert said.stdout.strip() == "[]", said.stderr
