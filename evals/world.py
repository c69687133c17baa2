"""What suites are given: the product's minds and rules, and, for those that ask for it, a database of their own."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core.models import Label
from core.policy import Policy
from core.ports import Embedder, Mind
from core.profile import CompanyProfile
from core.turn import Deps
from crm.knowledge.sync import sync_folder
from crm.pool import Pool
from evals.rows import read_rows
from evals.simple_recipe import Article


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for. `kb` and `examples` are None for the dossier's own; `titles` False hides them from the index.

    `against_recipe` measures retrieval beside the simple recipe.
    """

    kb: Path | None = None
    examples: Path | None = None
    titles: bool = True
    against_recipe: bool = False
    trials: int = 1
    at_once: int = 4
    case_limit_s: float = 120.0


@dataclass(slots=True)
class World:
    """Wired by `cli/`. The database is opened at the first need and belongs to this run alone.

    `wire` makes the product's dependencies on a pool, with a desk that stores nothing; `spine` runs the real workers on
    it while its block lasts.
    """

    dossier: Path
    mind: Mind
    policy: Policy
    profile: CompanyProfile
    intents: tuple[Label, ...]
    embedder: Embedder
    open_pool: Callable[[], AbstractAsyncContextManager[Pool]]
    wire: Callable[[Pool], Awaitable[Deps]]
    spine: Callable[[Pool], AbstractAsyncContextManager[None]]
    options: Options = field(default_factory=Options)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _pool: Pool | None = None
    _deps: Deps | None = None

    async def __aenter__(self) -> World:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def pool(self) -> Pool:
        """The run's own database with the documents in it."""
        async with self._lock:
            if self._pool is None:
                pool = await self._stack.enter_async_context(self.open_pool())
                await _read_documents(self, pool)
                self._pool = pool
            return self._pool

    async def deps(self) -> Deps:
        if self._deps is None:
            self._deps = await self.wire(await self.pool())
        return self._deps

    async def start_spine(self) -> None:
        """Let the workers run until the end of the evaluation."""
        await self._stack.enter_async_context(self.spine(await self.pool()))


async def _read_documents(world: World, pool: Pool) -> None:
    kb = world.options.kb
    if kb is None:
        base = world.profile.help_centre_url
        await sync_folder(pool, world.embedder, world.dossier / "docs", url_base=base)
    elif kb.is_dir():
        await sync_folder(pool, world.embedder, kb)
    else:
        await _sync_articles(world, pool, kb)


def read_articles(file: Path, *, titled: bool) -> list[Article]:
    """Only these fields: a description or a summary may be the very question."""
    return [
        Article(
            id=str(row.fields.get("id") or row.text("id")),
            title=str(row.fields.get("title") or "") if titled else "",
            text=row.text("text"),
        )
        for row in read_rows(file).rows
    ]


async def _sync_articles(world: World, pool: Pool, file: Path) -> None:
    articles = read_articles(file, titled=world.options.titles)
    with tempfile.TemporaryDirectory() as folder:
        lines = (json.dumps(asdict(article)) for article in articles)
        (Path(folder) / "articles.jsonl").write_text("\n".join(lines), encoding="utf-8")
        await sync_folder(pool, world.embedder, Path(folder))
