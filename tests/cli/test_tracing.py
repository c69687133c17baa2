"""No trace leaves the machine unless it was switched on, whatever the environment was set to for other programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from core.settings import PROJECT_ROOT

# A whole turn online, our server at the provider's end, every address noted that any thread looks up or connects to.
_TURN = """
import asyncio, json, sys
from dataclasses import replace

places = set()

def watch(event, args):
    if event == "socket.getaddrinfo":
        places.add(f"{args[0]}:{args[1]}")
    elif event == "socket.connect" and isinstance(args[1], tuple):
        places.add(f"{args[1][0]}:{args[1][1]}")

sys.addaudithook(watch)

from cli.deps import build_deps
from core.clock import SystemClock
from core.settings import Settings
from graph.dry_run import DryRunDesk, draft_brief, try_turn
from langchain_core.tracers.langchain import wait_for_all_tracers
from simulation.openai import OpenAiFake
from simulation.serve import serve
from tests.nodes.fakes import FakeKnowledge, passage

async def main():
    async with serve(OpenAiFake().app()) as provider:
        settings = Settings(_env_file=None, openai_api_key="sk-fake", openai_base_url=provider + "/v1")
        clock = SystemClock()
        deps = replace(build_deps(settings, None, DryRunDesk(clock)), knowledge=FakeKnowledge((passage("Choose Replace card."),)))
        result = await try_turn(deps, draft_brief(clock, "How do I change the card?"))
        await asyncio.to_thread(wait_for_all_tracers)
        await deps.mind.aclose()
        own = provider.removeprefix("http://")
        print(json.dumps({"outcome": result.outcome, "calls": len(result.calls), "others": sorted(places - {own})}))

asyncio.run(main())
"""
_COLLECTOR = "127.0.0.1:9"
_SET_FOR_OTHERS = {
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_API_KEY": "lsv2_fake",
    "LANGSMITH_ENDPOINT": f"http://{_COLLECTOR}",
    "OPENAI_API_KEY": "sk-fake",
}


def turn(**env: str) -> dict:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FTE_", "LANG"))}
    done = subprocess.run(
        [sys.executable, "-c", _TURN],
        env=environment | _SET_FOR_OTHERS | env,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.real
def test_nobody_but_the_provider_is_contacted_though_the_environment_asks_for_traces() -> None:
    said = turn()
    assert said["outcome"] == "answered"
    assert said["calls"] >= 6
    assert said["others"] == []


@pytest.mark.real
@pytest.mark.slow
def test_traces_go_where_langsmith_is_told_once_they_are_switched_on() -> None:
    assert _COLLECTOR in turn(FTE_TRACING="true")["others"]
