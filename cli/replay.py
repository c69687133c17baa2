"""`fte replay`: a past turn through today's nodes, with nothing sent and nothing stored."""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from cli.database import open_database
from cli.deps import build_deps, make_embedder, sync_dossier
from cli.output import echo_json
from core.clock import SystemClock
from core.models import TurnResult
from core.settings import Settings, load_settings
from crm.pool import transaction
from crm.turns import PastTurn, get_past_turn
from graph.dry_run import DryRunDesk, draft_brief, try_turn


@dataclass(frozen=True, slots=True)
class Replay:
    """What happened then, what would happen now, and the difference of the two texts."""

    then: PastTurn
    now: TurnResult
    diff: list[str]

    @property
    def same(self) -> bool:
        return self.then.outcome == self.now.outcome and not self.diff


def replay(
    turn_id: Annotated[UUID, typer.Argument(help="The turn, as the log's turn.finished names it.")],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Run a past turn again as the nodes, the policy and the documents are today, and show what differs."""
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    found = asyncio.run(_replay(settings, turn_id))
    if as_json:
        return echo_json({"same": found.same, "then": found.then, "now": found.now, "diff": found.diff})
    typer.echo(f"then: {found.then.outcome} ({found.then.reason})\nnow:  {found.now.outcome} ({found.now.reason})")
    typer.echo("\n".join(found.diff) if found.diff else "the text is the same")


async def _replay(settings: Settings, turn_id: UUID) -> Replay:
    async with open_database(settings) as pool:
        async with transaction(pool) as conn:
            then = await get_past_turn(conn, turn_id)
        embedder = make_embedder(settings)
        await sync_dossier(settings, pool, embedder)
        clock = SystemClock()
        deps = build_deps(settings, pool, DryRunDesk(clock), embedder=embedder)
        brief = draft_brief(
            clock,
            then.customer_text,
            channel=then.channel,
            subject=then.subject,
            customer_name=then.customer_name,
            category=then.category,
            priority=then.priority,
        )
        now = await try_turn(deps, brief)
    before, after = (then.reply or "").splitlines(), (now.reply.text if now.reply else "").splitlines()
    return Replay(then, now, list(difflib.unified_diff(before, after, "then", "now", lineterm="")))
