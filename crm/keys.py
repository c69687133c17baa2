"""API keys: shown once, stored as a hash, each with scopes. A random secret of 256 bits needs no slow hash."""

from __future__ import annotations

import hashlib
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.errors import Conflict, NotFound, SupportError

Scope = Literal["conversations:read", "customers:read", "metrics:read", "reviews:read", "reviews:write", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

MAX_NAME_LENGTH = 100
_PREFIX_ALPHABET = string.ascii_lowercase + string.digits
_PREFIX_LENGTH = 8

_INSERT = """
insert into api_keys (name, prefix, hash, scopes, expires_at)
values (%(name)s, %(prefix)s, %(hash)s, %(scopes)s, %(expires_at)s)
on conflict (prefix) do nothing
returning id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at
"""
_LIST = """
select id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at from api_keys order by created_at, id
"""
# One round trip: the key if it is good, and its last use noted at most once a minute.
_AUTHENTICATE = """
with good as (
    select id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at from api_keys
    where prefix = %(prefix)s and hash = %(hash)s and revoked_at is null and (expires_at is null or expires_at > now())
), touched as (
    update api_keys k set last_used_at = now() from good
    where k.id = good.id and (good.last_used_at is null or good.last_used_at < now() - interval '1 minute')
)
select * from good
"""
_REVOKE = """
update api_keys set revoked_at = coalesce(revoked_at, now()) where prefix = %(prefix)s
returning id, name, prefix, scopes, created_at, expires_at, last_used_at, revoked_at
"""
_AUDIT = "insert into audit_log (actor, action, object, detail) values ('operator', %(action)s, %(object)s, '{}')"


class InvalidKey(SupportError):
    """A key cannot be made from this."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret. `prefix` is its public half, safe to show and to log."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key at its birth: the only time that `token` is known."""

    token: str
    key: ApiKey


async def create_key(
    conn: AsyncConnection, *, name: str, scopes: Collection[str], expires_at: datetime | None = None
) -> NewKey:
    """Make a key; `name` is who acts in the audit log. Raises InvalidKey for an empty name or an unknown scope."""
    _check(name, scopes)
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(_PREFIX_LENGTH))
    token = f"fte_{prefix}_{secrets.token_urlsafe(32)}"
    values = {
        "name": name.strip(),
        "prefix": prefix,
        "hash": _hash(token),
        "scopes": sorted(set(scopes)),
        "expires_at": expires_at,
    }
    async with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(_INSERT, values)
        key = await cursor.fetchone()
    if key is None:
        raise Conflict("Two keys drew the same prefix by chance; try again", prefix=prefix)
    await conn.execute(_AUDIT, {"action": "key.created", "object": prefix})
    return NewKey(token, key)


async def list_keys(conn: AsyncConnection) -> list[ApiKey]:
    async with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(_LIST)
        return await cursor.fetchall()


async def revoke_key(conn: AsyncConnection, prefix: str) -> ApiKey:
    """Refuse the key from now on; revoking twice keeps the first time. Takes the prefix or the whole key."""
    values = {"prefix": _prefix(prefix) or prefix}
    async with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(_REVOKE, values)
        key = await cursor.fetchone()
    if key is None:
        raise NotFound("No key has this prefix; `fte keys list` shows them", prefix=values["prefix"])
    await conn.execute(_AUDIT, {"action": "key.revoked", "object": key.prefix})
    return key


async def find_key(conn: AsyncConnection, token: str) -> ApiKey | None:
    """The key that a bearer token is, when it is neither revoked nor expired."""
    prefix = _prefix(token)
    if prefix is None:
        return None
    async with conn.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(_AUTHENTICATE, {"prefix": prefix, "hash": _hash(token)})
        return await cursor.fetchone()


def _check(name: str, scopes: Collection[str]) -> None:
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidKey(f"A key needs a name of 1 to {MAX_NAME_LENGTH} printable characters: who will use it")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        what = f"There is no scope {', '.join(unknown)}" if unknown else "A key needs a scope"
        raise InvalidKey(f"{what}; choose from {', '.join(SCOPES)}")


def _prefix(token: str) -> str | None:
    parts = token.split("_", 2)
    return (
        parts[1]
        if len(parts) == 3 and parts[0] == "fte" and len(parts[1]) == _PREFIX_LENGTH and token.isascii()
        else None
    )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
