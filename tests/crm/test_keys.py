from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.errors import NotFound
from crm.keys import InvalidKey, create_key, find_key, list_keys, revoke_key
from crm.pool import Pool, transaction


async def test_a_new_key_is_found_by_its_token_and_stored_only_as_a_hash(pool: Pool) -> None:
    async with transaction(pool) as conn:
        new = await create_key(conn, name="dashboard", scopes=["metrics:read"])
        assert (await find_key(conn, new.token)) is not None
        row = await (await conn.execute("select k::text from api_keys k")).fetchone()
    secret = new.token.split("_", 2)[2]
    assert len(secret) >= 32
    assert new.token.startswith(f"fte_{new.key.prefix}_")
    assert row is not None
    assert secret not in row[0]


async def test_a_key_allows_its_scopes_and_admin_allows_all(pool: Pool) -> None:
    async with transaction(pool) as conn:
        some = (await create_key(conn, name="a", scopes=["metrics:read", "reviews:read"])).key
        admin = (await create_key(conn, name="b", scopes=["admin"])).key
    assert some.allows("reviews:read")
    assert not some.allows("reviews:write")
    assert admin.allows("customers:read")


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.upper(), lambda t: "", lambda t: "fte__", lambda t: "é"]
)
async def test_a_token_that_differs_in_anything_is_no_key(pool: Pool, change) -> None:
    async with transaction(pool) as conn:
        token = (await create_key(conn, name="a", scopes=["admin"])).token
        assert await find_key(conn, change(token)) is None


async def test_a_revoked_or_expired_key_is_no_key(pool: Pool) -> None:
    async with transaction(pool) as conn:
        revoked = await create_key(conn, name="a", scopes=["admin"])
        past = datetime.now(UTC) - timedelta(seconds=1)
        expired = await create_key(conn, name="b", scopes=["admin"], expires_at=past)
        assert (await revoke_key(conn, revoked.key.prefix)).revoked_at is not None
        assert await find_key(conn, revoked.token) is None
        assert await find_key(conn, expired.token) is None


async def test_revoking_takes_the_whole_key_too_and_an_unknown_one_is_an_error(pool: Pool) -> None:
    async with transaction(pool) as conn:
        new = await create_key(conn, name="a", scopes=["admin"])
        await revoke_key(conn, new.token)
        assert [k.revoked_at is not None for k in await list_keys(conn)] == [True]
        with pytest.raises(NotFound, match="fte keys list"):
            await revoke_key(conn, "zzzzzzzz")


async def test_the_last_use_is_noted_at_most_once_a_minute(pool: Pool) -> None:
    async with transaction(pool) as conn:
        token = (await create_key(conn, name="a", scopes=["admin"])).token
    used = []
    for _ in range(2):
        async with transaction(pool) as conn:
            await find_key(conn, token)
        async with transaction(pool) as conn:
            used.append((await list_keys(conn))[0].last_used_at)
    assert used[0] is not None
    assert used[1] == used[0]
    async with transaction(pool) as conn:
        await conn.execute("update api_keys set last_used_at = now() - interval '2 minutes'")
        await find_key(conn, token)
    async with transaction(pool) as conn:
        assert (await list_keys(conn))[0].last_used_at > used[0]


@pytest.mark.parametrize(
    ("name", "scopes"), [("", ["admin"]), ("a", []), ("a", ["admin", "root"]), ("a\nb", ["admin"])]
)
async def test_a_key_without_a_name_or_with_an_unknown_scope_is_refused(
    pool: Pool, name: str, scopes: list[str]
) -> None:
    async with transaction(pool) as conn:
        with pytest.raises(InvalidKey):
            await create_key(conn, name=name, scopes=scopes)
