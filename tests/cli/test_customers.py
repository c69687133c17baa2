"""`fte customers`, as an operator types it."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest
from typer.testing import CliRunner

from cli.main import build_app
from core.errors import Conflict, NotFound, SupportError
from core.models import Sender
from crm.pool import open_pool, transaction
from tests.crm.inbox import write

MAIL = Sender("email", "ada@example.org", "verified", "Ada Osei")
FORM = Sender("email", "ada@example.org", "claimed", "Ada Osei")
PHONE = Sender("phone", "+491701234567", "verified", "Ada Osei")


@pytest.fixture
def written(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ada wrote by mail, by WhatsApp and by the form."""
    monkeypatch.setenv("DATABASE_URL", db)

    async def tell() -> None:
        pool = await open_pool(db)
        try:
            for sender in (MAIL, PHONE, FORM):
                async with transaction(pool) as conn:
                    await write(conn, sender, f"by {sender.kind}")
        finally:
            await pool.close()

    asyncio.run(tell())


def fte(*words: Any, typed: str | None = None) -> str:
    """The output of `fte customers …`; an error of ours is raised, any other way to fail is one of the test."""
    result = CliRunner().invoke(build_app(), ["customers", *map(str, words)], input=typed)
    if isinstance(result.exception, SupportError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def shown(who: str) -> list[dict[str, Any]]:
    return json.loads(fte("show", who, "--json"))


def id_of(who: str) -> UUID:
    return UUID(shown(who)[0]["id"])


def test_two_are_merged_shown_and_parted_again(written: None) -> None:
    mail, phone = id_of(MAIL.value), id_of(PHONE.value)
    merge = json.loads(fte("merge", mail, phone, "--reason", "she said so", "--json"))
    [ada] = shown(PHONE.value)
    assert (ada["id"], len(ada["conversations"])) == (str(mail), 2)
    assert [m["reason"] for m in ada["merges"]] == ["she said so"]
    assert f"merge {merge['id']}" in fte("show", str(phone))
    assert "two customers again" in fte("unmerge", merge["id"])
    assert (id_of(MAIL.value), id_of(PHONE.value)) == (mail, phone)


def test_a_suggestion_is_listed_and_decided(written: None) -> None:
    [suggestion] = json.loads(fte("suggest", "--json"))
    assert suggestion["reasons"][0] == "email address is the same"
    assert "Ada Osei / Ada Osei" in fte("suggest")
    merge = json.loads(fte("accept", suggestion["id"], "--json"))
    assert merge["score"] == suggestion["score"]
    fte("unmerge", merge["id"])
    assert "nobody looks like" in fte("suggest")
    with pytest.raises(Conflict, match="rejected before"):
        fte("reject", suggestion["id"])


def test_an_address_is_confirmed(written: None) -> None:
    assert "ada@phone.example  (confirmed)" in fte("confirm", id_of(PHONE.value), "ada@phone.example")
    with pytest.raises(Conflict, match="another customer"):
        fte("confirm", id_of(PHONE.value), MAIL.value)


def test_a_customer_is_exported_and_erased_after_a_question(written: None) -> None:
    mail = id_of(MAIL.value)
    assert "by email" in fte("export", mail)
    refused = CliRunner().invoke(build_app(), ["customers", "erase", str(mail)], input="n\n")
    assert refused.exit_code == 1
    assert "Ada Osei (ada@example.org)" in refused.output
    fte("erase", mail, typed="y\n")
    assert json.loads(fte("erase", mail, "--yes", "--json"))["rows"]["messages"] == 1
    assert "by email" not in fte("export", mail)
    assert [one["evidence"] for one in shown(MAIL.value)] == ["claimed"]


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (["show", "ada"], NotFound, "neither an email address"),
        (["show", "nobody@example.org"], NotFound, "Nobody is known"),
        (["show", str(UUID(int=1))], NotFound, "no customer"),
        (["unmerge", "7"], NotFound, "no merge 7"),
        (["accept", "7"], NotFound, "no suggestion 7"),
        (["merge", str(UUID(int=1)), str(UUID(int=1)), "--reason", "x"], Conflict, "one customer already"),
        (["merge", str(UUID(int=1)), str(UUID(int=2)), "--reason", " "], Conflict, "--reason"),
        (["erase", str(UUID(int=1)), "--yes"], NotFound, "no customer"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(
    written: None, words: list[str], error: type[SupportError], says: str
) -> None:
    with pytest.raises(error, match=says):
        fte(*words)
