"""A small world for suites: a few documents, a mind that judges as it is told, no wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from channels.formatting import ChannelFormatter
from core.clock import SystemClock
from core.models import Label
from core.policy import Policy
from core.ports import Mind
from core.profile import CompanyProfile, load_profile
from core.settings import PROJECT_ROOT
from core.turn import Deps
from crm.knowledge.search import KnowledgeBase
from crm.pool import Pool
from evals.rows import DataSet, read_rows
from evals.world import Options, World
from graph.dry_run import DryRunDesk
from tests.fixtures_spine import DOCS, EMBEDDER, ScriptedMind

DOSSIER = PROJECT_ROOT / "dossier"
MakeWorld = Callable[..., World]
Write = Callable[..., list[DataSet]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Rows as a data set in a file."""

    def write(rows: Sequence[dict[str, Any]], name: str = "rows.jsonl") -> list[DataSet]:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return [read_rows(path)]

    return write


@cache
def _rules() -> tuple[CompanyProfile, Policy]:
    """Compiled once: it takes most of a second."""
    return load_profile(DOSSIER), Policy.load(DOSSIER / "policy.yaml", DOSSIER / "profile.yaml")


@pytest.fixture
def make_world() -> MakeWorld:
    profile, policy = _rules()

    def make(
        pool: Pool | None = None, *, mind: Mind | None = None, intents: tuple[Label, ...] = (), **options: Any
    ) -> World:
        judge = mind or ScriptedMind()

        @asynccontextmanager
        async def open_pool() -> AsyncIterator[Pool]:
            assert pool is not None, "this suite should need no database"
            yield pool

        async def wire(pool: Pool) -> Deps:
            clock, formatter = SystemClock(), ChannelFormatter(profile)
            knowledge = KnowledgeBase(pool, EMBEDDER)
            return Deps(judge, knowledge, DryRunDesk(clock), formatter, policy, profile, intents, clock)

        @asynccontextmanager
        async def spine(_: Pool) -> AsyncIterator[None]:
            raise AssertionError("this suite should need no workers")
            yield

        chosen = Options(**{"kb": DOCS, **options})
        return World(DOSSIER, judge, policy, profile, intents, EMBEDDER, open_pool, wire, spine, chosen)

    return make
