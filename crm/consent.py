"""The consent registry: what each address last said about hearing from us. Asked in the moment of sending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import AsyncConnection
from psycopg.rows import class_row

from core.vocabulary import Channel

_ADD = """
insert into consents (channel, address, word, source, reference, said_at)
values (%(channel)s, %(address)s, %(word)s, %(source)s, %(reference)s, coalesce(%(said_at)s, now()))
on conflict (channel, address, word, reference) do nothing
"""
_STOP = """
select source, reference, said_at from (
    select word, source, reference, said_at from consents
    where channel = %(channel)s and address = %(address)s order by said_at desc, id desc limit 1) newest
where word = 'stop'
"""


@dataclass(frozen=True, slots=True)
class Stop:
    """Who said it: the customer, in the message `reference`, or the provider, refusing the delivery `reference`."""

    source: Literal["customer", "provider"]
    reference: str
    said_at: datetime


async def record_consent(
    conn: AsyncConnection,
    channel: Channel,
    address: str,
    word: Literal["stop", "start"],
    *,
    source: Literal["customer", "provider"],
    reference: str,
    said_at: datetime | None = None,
) -> bool:
    """Whether it changed what holds; the same word again, or an older one that came late, changes nothing."""
    before = await find_stop(conn, channel, address)
    values = {"channel": channel, "address": address, "word": word, "source": source, "reference": reference}
    await conn.execute(_ADD, {**values, "said_at": said_at})
    after = await find_stop(conn, channel, address)
    return (before is None) != (after is None)


async def find_stop(conn: AsyncConnection, channel: Channel, address: str) -> Stop | None:
    """The STOP that holds for an address."""
    async with conn.cursor(row_factory=class_row(Stop)) as cursor:
        await cursor.execute(_STOP, {"channel": channel, "address": address})
        return await cursor.fetchone()
