"""What a customer sent besides text: listed by name and type, and given to whom may read conversations."""

from __future__ import annotations

import pytest
from psycopg.types.json import Jsonb

from channels.whatsapp.media import Media
from core.errors import ChannelError
from crm.pool import transaction
from tests.api.conftest import assert_problem
from tests.crm.story import Story

PICTURE = {
    "name": "picture-1.jpg",
    "content_type": "image/jpeg",
    "kind": "picture",
    "url": "https://api.twilio.com/ME1",
    "fetchable": True,
}


class Fetcher:
    def __init__(self, result: Media | ChannelError) -> None:
        self.result, self.asked = result, []

    async def fetch(self, url: str) -> Media:
        self.asked.append(url)
        if isinstance(self.result, ChannelError):
            raise self.result
        return self.result


@pytest.fixture
async def address(pool):
    """The conversation, and its one picture."""
    async with transaction(pool) as conn:
        story = await Story(conn, "whatsapp").begin()
        message = await story.wrote("[The customer sent a picture.]", attachments=Jsonb([PICTURE]))
    conversation = f"/conversations/{story.conversation_id}"
    return conversation, f"{conversation}/messages/{message}/attachments"


async def test_an_attachment_is_listed_without_its_address_and_read_as_a_file_to_save(client_for, key_for, address):
    conversation, attachments = address
    fetcher = Fetcher(Media("image/jpeg", b"jpeg"))
    client, headers = client_for(whatsapp_media=fetcher), await key_for("conversations:read")
    [message] = (await client.get(conversation, headers=headers)).json()["messages"]
    [listed] = message["attachments"]
    assert (listed["name"], listed["content_type"], listed["bytes"]) == ("picture-1.jpg", "image/jpeg", None)
    assert "url" not in listed
    answer = await client.get(f"{attachments}/0", headers=headers)
    assert (answer.status_code, answer.content) == (200, b"jpeg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''picture-1.jpg")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert fetcher.asked == [PICTURE["url"]]


async def test_without_the_scope_nothing_is_fetched(client_for, key_for, address):
    fetcher = Fetcher(Media("image/jpeg", b"jpeg"))
    client = client_for(whatsapp_media=fetcher)
    assert_problem(await client.get(f"{address[1]}/0"), 401)
    assert_problem(await client.get(f"{address[1]}/0", headers=await key_for("metrics:read")), 403)
    assert fetcher.asked == []


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ChannelError("The media is too large", permanent=True), 404, "attachment-not-given"),
        (ChannelError("Slow"), 503, "provider-unavailable"),
    ],
)
async def test_what_twilio_does_not_give_is_said(client_for, key_for, address, error, status, kind):
    client, headers = client_for(whatsapp_media=Fetcher(error)), await key_for("conversations:read")
    assert_problem(await client.get(f"{address[1]}/0", headers=headers), status, kind)


async def test_an_attachment_that_is_not_there_or_not_ours_to_fetch_is_not_found(client_for, key_for, address):
    headers = await key_for("conversations:read")
    client = client_for()
    assert_problem(await client.get(f"{address[1]}/0", headers=headers), 404, "attachment-elsewhere")
    assert_problem(await client.get(f"{address[1]}/1", headers=headers), 404, "not-found")
