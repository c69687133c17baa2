"""`fte gmail` as an operator types it, against our Google: the browser's part is played by a thread."""

from __future__ import annotations

import asyncio
import json
import threading
import webbrowser
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import build_app
from crm.mailboxes import find_mailbox, note_failure
from crm.pool import Pool, transaction
from simulation.gmail import GmailFake
from simulation.serve import serve

pytestmark = pytest.mark.real


class Operator:
    """Runs commands in a thread, while our Google answers in this one."""

    def __init__(self, fake: GmailFake) -> None:
        self.fake = fake

    async def run(self, *words: str, code: int = 0) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, build_app(), ["gmail", *words])
        self.stderr = result.stderr
        assert result.exit_code == code, (result.output, result.exception)
        self.error = result.exception
        return result.stdout


@pytest.fixture
async def operator(db: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> AsyncIterator[Operator]:
    fake = GmailFake()
    monkeypatch.chdir(tmp_path)
    async with serve(fake.app()) as base:
        settings = {
            "DATABASE_URL": db,
            "FTE_GMAIL_ADDRESS": fake.mailbox.address,
            "FTE_GMAIL_CLIENT_ID": fake.login.client_id,
            "FTE_GMAIL_CLIENT_SECRET": fake.login.client_secret,
            "FTE_GMAIL_REFRESH_TOKEN": fake.login.refresh_token,
            "FTE_GMAIL_PUSH_AUDIENCE": "a",
            "FTE_GMAIL_PUSH_SERVICE_ACCOUNT": "b",
            "FTE_GMAIL_PUSH_SUBSCRIPTION": "c",
            "FTE_GMAIL_TOPIC": "projects/p/topics/t",
            "FTE_GMAIL_BASE_URL": base,
            "FTE_GMAIL_TOKEN_URL": f"{base}/token",
            "FTE_GMAIL_AUTH_URL": f"{base}/o/oauth2/v2/auth",
            "OAUTHLIB_INSECURE_TRANSPORT": "1",  # our Google speaks plain HTTP
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield Operator(fake)


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the browser was sent to; it follows Google back to the application."""
    opened: list[str] = []

    def visit(url: str, **_: Any) -> None:
        opened.append(url)
        threading.Thread(target=httpx.get, args=(url,), kwargs={"follow_redirects": True, "timeout": 10}).start()

    monkeypatch.setattr(webbrowser, "get", lambda _=None: SimpleNamespace(open=visit))
    return opened


async def test_auth_prints_the_line_for_the_environment_and_the_token_nowhere_else(
    operator: Operator, browser: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("FTE_GMAIL_REFRESH_TOKEN")
    monkeypatch.delenv("FTE_GMAIL_PUSH_AUDIENCE")
    assert await operator.run("auth") == f"FTE_GMAIL_REFRESH_TOKEN={operator.fake.login.refresh_token}\n"
    assert operator.fake.login.refresh_token not in operator.stderr + caplog.text
    [url] = browser
    asked = httpx.URL(url).params
    assert asked["code_challenge_method"] == "S256"
    assert (asked["access_type"], asked["login_hint"]) == ("offline", operator.fake.mailbox.address)
    assert json.loads(await operator.run("auth", "--json"))["refresh_token"] == operator.fake.login.refresh_token


async def test_auth_of_another_mailbox_is_refused(
    operator: Operator, browser: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTE_GMAIL_ADDRESS", "other@company.example")
    assert await operator.run("auth", code=1) == ""
    assert operator.fake.mailbox.address in str(operator.error)


async def test_an_owner_who_says_no_is_an_error_of_one_line(operator: Operator, browser: list[str]) -> None:
    operator.fake.login.accept_refresh = False
    assert await operator.run("auth", code=1) == ""
    assert str(operator.error) == "Google did not give permission: access_denied"


async def test_auth_names_what_is_missing(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FTE_GMAIL_CLIENT_ID")
    await operator.run("auth", code=1)
    assert "FTE_GMAIL_CLIENT_ID" in str(operator.error)


async def test_watch_sets_renews_and_stops(operator: Operator, pool: Pool) -> None:
    until = json.loads(await operator.run("watch", "--json"))["expires_at"]
    assert operator.fake.watches[0]["topicName"] == "projects/p/topics/t"
    async with transaction(pool) as conn:
        state = await find_mailbox(conn, operator.fake.mailbox.address)
    assert state is not None
    assert state.watch_expires_at is not None
    assert state.watch_expires_at.isoformat() == until
    assert "no more pushes" in await operator.run("watch", "--stop")
    assert not operator.fake.watching
    async with transaction(pool) as conn:
        state = await find_mailbox(conn, operator.fake.mailbox.address)
    assert state is not None
    assert state.watch_expires_at is None


async def test_sync_counts_what_is_new_and_a_full_one_finds_what_the_cursor_passed_over(
    operator: Operator, pool: Pool
) -> None:
    operator.fake.customer_writes("a@b.example", "1", "t")
    assert await operator.run("sync") == "1 new\n"
    assert await operator.run("sync") == "0 new\n"
    operator.fake.customer_writes("a@b.example", "2", "t")
    async with transaction(pool) as conn:
        await conn.execute("update mailboxes set history_id = %s", [operator.fake.mailbox.history_id])
        await note_failure(conn, operator.fake.mailbox.address, error="gone", reauth=True)
    assert json.loads(await operator.run("sync", "--json")) == {"new": 0}
    assert json.loads(await operator.run("sync", "--full", "--json")) == {"new": 1}
    async with transaction(pool) as conn:
        state = await find_mailbox(conn, operator.fake.mailbox.address)
    assert state is not None
    assert state.reauth_since is None


@pytest.mark.parametrize("command", ["auth", "watch", "sync"])
async def test_every_command_explains_itself(operator: Operator, command: str) -> None:
    assert "--json" in await operator.run(command, "--help")


async def test_without_a_mailbox_it_says_what_to_set(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDRESS", "CLIENT_ID", "CLIENT_SECRET", "REFRESH_TOKEN", "PUSH_AUDIENCE", "PUSH_SERVICE_ACCOUNT"):
        monkeypatch.delenv(f"FTE_GMAIL_{name}")
    monkeypatch.delenv("FTE_GMAIL_PUSH_SUBSCRIPTION")
    await operator.run("sync", code=1)
    assert "FTE_GMAIL_ADDRESS" in str(operator.error)
