"""The audit log: who did what to which object. Ids and facts only, never what a customer wrote or is called."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

_ADD = "insert into audit_log (actor, action, object, detail) values (%(actor)s, %(action)s, %(object)s, %(detail)s)"


async def record_act(conn: AsyncConnection, actor: str, action: str, object: Any, **detail: Any) -> None:
    facts = {name: value if isinstance(value, (int, float)) else str(value) for name, value in detail.items()}
    await conn.execute(_ADD, {"actor": actor, "action": action, "object": str(object), "detail": Jsonb(facts)})
