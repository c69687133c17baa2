"""The ledger: proof that every accepted message has exactly one outcome, and no turn two replies."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import class_row

_LEDGER = """
with accepted as (
    select e.id, e.status, m.id as message_id, m.outcome, m.outcome_reason
    from inbound_events e left join messages m on m.inbound_event_id = e.id and m.direction = 'inbound'
    where e.kind = 'message'
)
select count(*) as accepted,
       count(*) filter (where outcome = 'answered') as answered,
       count(*) filter (where outcome = 'handed_over') as handed_over,
       count(*) filter (where outcome = 'silent') as silent,
       count(*) filter (where outcome is null and status <> 'dead' ) as in_progress,
       count(*) filter (where status = 'dead') as dead,
       count(*) filter (where status = 'done' and message_id is null) as lost,
       count(*) filter (where outcome = 'silent' and outcome_reason is null) as silent_without_reason,
       (select count(*) from (select turn_id from messages where direction = 'outbound' and kind = 'reply'
                              group by turn_id having count(*) > 1) x) as double_replies,
       (select count(*) from turns t where t.outcome = 'answered' and not exists
            (select from messages m where m.turn_id = t.id and m.direction = 'outbound')) as answered_without_reply,
       (select count(*) from deliveries where status in ('queued', 'sending')) as undelivered,
       (select count(*) from deliveries where status = 'failed' and replaced_by is null) as failed_deliveries,
       (select count(*) from outbox where published_at is null) as unpublished,
       (select count(*) from dead_letters where status = 'open') as dead_letters_open
from accepted
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    accepted: int
    answered: int
    handed_over: int
    silent: int
    in_progress: int
    dead: int
    lost: int
    silent_without_reason: int
    double_replies: int
    answered_without_reply: int
    undelivered: int
    failed_deliveries: int
    unpublished: int
    dead_letters_open: int

    @property
    def balanced(self) -> bool:
        """Everything accepted is accounted for, and nothing was answered twice."""
        return not (self.lost or self.double_replies or self.answered_without_reply or self.silent_without_reason)


async def read_ledger(conn: AsyncConnection) -> Ledger:
    async with conn.cursor(row_factory=class_row(Ledger)) as cursor:
        await cursor.execute(_LEDGER)
        ledger = await cursor.fetchone()
    assert ledger is not None
    return ledger
