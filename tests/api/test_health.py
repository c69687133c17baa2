from __future__ import annotations

import asyncio

from core.errors import BusUnavailable
from crm.mailboxes import note_failure, note_synced
from crm.pool import transaction
from tests.api.conftest import assert_problem


async def test_everything_is_well(client) -> None:
    response = await client.get("/health")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "version": "1.2.3",
        "database": "ok",
        "bus": "ok",
        "channels": {
            "email": {"enabled": True, "configured": False, "needs_reauth": False},
            "whatsapp": {"enabled": True, "configured": True, "needs_reauth": False},
            "web_form": {"enabled": True, "configured": True, "needs_reauth": False},
        },
    }


async def test_a_channel_that_is_switched_off_says_so(client, pool) -> None:
    async with transaction(pool) as conn:
        await conn.execute("update channel_configs set enabled = false where channel = 'email'")
    assert (await client.get("/health")).json()["channels"]["email"]["enabled"] is False


async def test_a_mailbox_whose_permission_has_ended_says_so_until_it_works_again(client_for, pool) -> None:
    client = client_for(mailbox="Support@example.com")

    async def needs_reauth() -> dict[str, bool]:
        channels = (await client.get("/health")).json()["channels"]
        return {name: channel["needs_reauth"] for name, channel in channels.items()}

    async with transaction(pool) as conn:
        await note_failure(conn, "support@example.com", error="gone", reauth=True)
    assert await needs_reauth() == {"email": True, "whatsapp": False, "web_form": False}
    async with transaction(pool) as conn:
        await note_synced(conn, "support@example.com")
    assert not (await needs_reauth())["email"]


async def test_without_the_bus_it_is_degraded_and_still_accepts(client_for) -> None:
    async def down() -> bool:
        return False

    async def away() -> bool:
        raise BusUnavailable

    async def hangs() -> bool:
        await asyncio.sleep(60)
        return True

    for bus_health in (down, away, hangs):
        response = await client_for(bus_health=bus_health).get("/health")
        assert (response.status_code, response.json()["status"], response.json()["bus"]) == (
            200,
            "degraded",
            "unavailable",
        )


async def test_without_the_database_it_lives_but_is_not_ready(client, pool) -> None:
    await pool.close()
    response = await client.get("/health")
    assert (response.status_code, response.json()["status"], response.json()["database"]) == (
        503,
        "unavailable",
        "unavailable",
    )
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    assert_problem(await client.get("/health/ready"), 503)


async def test_it_is_ready_only_on_the_schema_that_it_knows(client, pool) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    async with transaction(pool) as conn:
        await conn.execute("insert into schema_migrations (version, name, sha256) values (9999, '9999_newer', '')")
    assert (await client.get("/health/ready")).status_code == 200
    async with transaction(pool) as conn:
        await conn.execute("delete from schema_migrations where version > 1")
    problem = assert_problem(await client.get("/health/ready"), 503, "schema-too-old")
    assert "fte migrate" in problem["detail"]
