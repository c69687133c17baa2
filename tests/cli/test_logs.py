"""Nothing personal leaves by the logs, whoever writes them. In a process of its own: logs are set up once a process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PLANTED = ("zq7marker@example.org", "+351 912 345 678", "4111 1111 1111 1111", "sk-proj-abcdefghij0123456789")
WRITE = f"""
import logging, structlog
from cli.logs import configure_logs
from core.settings import Settings
configure_logs(Settings(_env_file=None))
log = structlog.get_logger()
for secret in {PLANTED}:
    log.warning("delivery.failed", detail=f"to {{secret}}", nested={{"list": [secret]}})
    logging.getLogger("some.library").warning("sending to %s", secret)
    try:
        raise ValueError(f"bad recipient {{secret}}")
    except ValueError:
        log.exception("delivery.crashed")
        logging.getLogger("some.library").exception("oh")
"""


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_is_planted_in_a_log_line_is_found_in_none(form: str) -> None:
    command = [sys.executable, "-c", WRITE]
    run = subprocess.run(command, env={"FTE_LOG_FORMAT": form}, capture_output=True, text=True, check=True)
    assert run.stderr.count("delivery.failed") == len(PLANTED)
    assert run.stderr.count("sending to") == len(PLANTED)
    assert run.stderr.count("bad recipient") >= 2 * len(PLANTED)
    assert not [secret for secret in PLANTED if secret in run.stderr + run.stdout]
    if form == "json":
        first = json.loads(run.stderr.splitlines()[0])
        assert first["detail"] == "to [email]"
