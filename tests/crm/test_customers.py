from __future__ import annotations

import pytest

from core.models import Sender
from crm.customers import link_account, recognise_customer
from crm.merges import merge_customers, unmerge
from crm.pool import Pool, transaction
from crm.suggestions import list_suggestions

PHONE = Sender("phone", "+491701234567", "verified", "Ada Osei")
ACCOUNT = Sender("whatsapp_user_id", "DE.1234567890", "verified", "Ada Osei")


async def test_a_whatsapp_customer_is_known_again_when_the_number_is_hidden(pool: Pool) -> None:
    async with transaction(pool) as conn:
        ada = await recognise_customer(conn, PHONE)
        for _ in range(2):
            await link_account(conn, ada, PHONE, ACCOUNT.value)
        assert await recognise_customer(conn, ACCOUNT) == ada
        assert await list_suggestions(conn) == []


async def test_an_account_that_another_customer_holds_is_suggested_and_not_taken(pool: Pool) -> None:
    async with transaction(pool) as conn:
        account, phone = await recognise_customer(conn, ACCOUNT), await recognise_customer(conn, PHONE)
        await link_account(conn, phone, PHONE, ACCOUNT.value)
        [suggestion] = await list_suggestions(conn)
        assert {suggestion.one_id, suggestion.other_id} == {account, phone}
        assert suggestion.reasons == ["WhatsApp account is the same"]
        assert await recognise_customer(conn, ACCOUNT) == account


async def test_an_account_linked_while_merged_goes_with_its_telephone(pool: Pool) -> None:
    async with transaction(pool) as conn:
        mail = await recognise_customer(conn, Sender("email", "ada@example.org", "verified"))
        phone = await recognise_customer(conn, PHONE)
        merge = await merge_customers(conn, mail, phone, reason="x", by="me")
        await link_account(conn, mail, PHONE, ACCOUNT.value)
        await unmerge(conn, merge.id, by="me")
        assert await recognise_customer(conn, ACCOUNT) == phone


@pytest.mark.parametrize(
    "sender",
    [Sender("phone", PHONE.value, "claimed"), Sender("email", "a@example.org", "verified")],
    ids=["claim", "mail"],
)
async def test_only_a_proved_telephone_vouches_for_an_account(pool: Pool, sender: Sender) -> None:
    async with transaction(pool) as conn:
        customer = await recognise_customer(conn, sender)
        await link_account(conn, customer, sender, ACCOUNT.value)
        assert await recognise_customer(conn, ACCOUNT) != customer
