from __future__ import annotations

import pytest

from crm.keys import create_key, revoke_key
from crm.pool import transaction
from tests.api.conftest import assert_problem

GUARDED = [
    ("GET", "/conversations/00000000-0000-4000-8000-000000000001", "conversations:read"),
    ("GET", "/customers/lookup?email=ada@example.com", "customers:read"),
    ("GET", "/metrics/channels", "metrics:read"),
    ("GET", "/metrics", "metrics:read"),
    ("GET", "/reviews", "reviews:read"),
    ("GET", "/reviews/00000000-0000-4000-8000-000000000002", "reviews:read"),
    ("POST", "/reviews/00000000-0000-4000-8000-000000000003/decision", "reviews:write"),
]


@pytest.mark.parametrize(("method", "path", "scope"), GUARDED)
async def test_without_a_key_nothing_is_told(client, method, path, scope) -> None:
    response = await client.request(method, path, json=_body(method))
    assert_problem(response, 401, "unauthorised")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "scope"), GUARDED)
async def test_a_key_without_the_scope_is_told_which_one_it_lacks(client, key_for, method, path, scope) -> None:
    others = {wanted for _, _, wanted in GUARDED} - {scope}
    response = await client.request(method, path, json=_body(method), headers=await key_for(*others))
    problem = assert_problem(response, 403, "missing-scope")
    assert scope in problem["detail"]
    assert f'scope="{scope}"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(("method", "path", "scope"), GUARDED)
@pytest.mark.parametrize("granted", ["the scope", "admin"])
async def test_a_key_with_the_scope_or_admin_may_pass(client, key_for, method, path, scope, granted) -> None:
    headers = await key_for("admin" if granted == "admin" else scope)
    response = await client.request(method, path, json=_body(method), headers=headers)
    assert response.status_code in (200, 404)


@pytest.mark.parametrize(
    "value",
    ["Bearer x", "Bearer fte_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "Basic YTpi", "Bearer", "Bearer \u00ff"],
)
async def test_a_wrong_key_is_refused(client, value) -> None:
    response = await client.get("/reviews", headers=[(b"authorization", value.encode())])
    assert_problem(response, 401)


async def test_a_revoked_key_is_refused_at_once(client, pool) -> None:
    async with transaction(pool) as conn:
        new = await create_key(conn, name="a", scopes=["admin"])
    headers = {"Authorization": f"Bearer {new.token}"}
    assert (await client.get("/reviews", headers=headers)).status_code == 200
    async with transaction(pool) as conn:
        await revoke_key(conn, new.key.prefix)
    assert_problem(await client.get("/reviews", headers=headers), 401)


async def test_no_token_is_in_the_logs(client, key_for, logs) -> None:
    headers = await key_for("metrics:read")
    await client.get("/reviews", headers=headers)
    assert any(entry["event"] == "key.refused" for entry in logs)
    assert headers["Authorization"].split("_", 2)[2] not in str(logs)


def _body(method: str) -> dict[str, object] | None:
    return {"decision": "reject", "version": 1, "note": "No."} if method == "POST" else None
