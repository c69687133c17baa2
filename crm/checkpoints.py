"""LangGraph checkpoints that commit together with what the turn did.

The graph runs with `durability="exit"`. What it would save is kept, and written in the transaction that finishes the
turn: an interrupted turn keeps its checkpoint, a finished one needs none. Checkpoint and effects can never disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection

from crm.pool import Pool


class _NoLock:
    """The saver's own lock serialises every conversation of the process; a pool needs none."""

    async def __aenter__(self) -> _NoLock:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class TurnSaver(AsyncPostgresSaver):
    """Reads from PostgreSQL at once, writes when the turn's transaction says so. One thread is one turn."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)  # pyright: ignore[reportArgumentType]
        self._kept: dict[str, list[tuple[str, tuple[Any, ...]]]] = {}
        self.lock = _NoLock()  # pyright: ignore[reportAttributeAccessIssue]

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """A fresh turn has no checkpoint, so nobody need ask the database for it."""
        resuming = config["configurable"].get("resuming", True)  # pyright: ignore[reportTypedDictNotRequiredAccess]
        return await super().aget_tuple(config) if resuming else None

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        place = config["configurable"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
        self._kept.setdefault(place["thread_id"], []).append(("aput", (config, checkpoint, metadata, new_versions)))
        saved = {
            "thread_id": place["thread_id"],
            "checkpoint_ns": place.get("checkpoint_ns", ""),
            "checkpoint_id": checkpoint["id"],
        }
        return {"configurable": saved}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        thread_id = config["configurable"]["thread_id"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
        self._kept.setdefault(thread_id, []).append(("aput_writes", (config, writes, task_id, task_path)))

    async def flush(self, thread_id: str, conn: AsyncConnection) -> None:
        """Write what was kept for a thread on the caller's connection, inside the caller's transaction."""
        saver = AsyncPostgresSaver(conn, serde=self.serde)  # pyright: ignore[reportArgumentType]
        saver._cursor = lambda *, pipeline=False: conn.cursor(binary=True)  # pyright: ignore[reportAttributeAccessIssue]
        for method, arguments in self._kept.pop(thread_id, []):
            await getattr(saver, method)(*arguments)

    def discard(self, thread_id: str) -> None:
        self._kept.pop(thread_id, None)


_DELETE = (
    "delete from checkpoint_writes where thread_id = %(thread_id)s",
    "delete from checkpoint_blobs where thread_id = %(thread_id)s",
    "delete from checkpoints where thread_id = %(thread_id)s",
)


async def delete_checkpoints(conn: AsyncConnection, thread_id: str) -> None:
    for statement in _DELETE:
        await conn.execute(statement, {"thread_id": thread_id})
