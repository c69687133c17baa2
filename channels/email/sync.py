"""From a hint to mail: the stored cursor says what is new, the push never does.

https://developers.google.com/workspace/gmail/api/guides/sync
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Protocol

from channels.email.gmail import CursorExpired

RESYNC_DAYS: Final = 7
FIRST_SYNC_DAYS: Final = 1


class MailHistory(Protocol):
    """The part of Gmail that synchronising needs."""

    async def profile_history_id(self) -> int: ...
    async def list_history(self, cursor: int) -> tuple[list[str], int]: ...
    async def list_inbox(self, days: int) -> list[str]: ...


class CursorStore(Protocol):
    """Where the cursor of a mailbox is kept."""

    def lock(self, mailbox: str) -> AbstractAsyncContextManager[Any]:
        """One synchronisation at a time per mailbox, over all processes."""
        ...

    async def cursor(self, mailbox: str) -> int | None: ...

    async def record(self, mailbox: str, ids: Sequence[str], cursor: int) -> int:
        """In one transaction: an inbound event (email, kind `message`, source_key = id) for each id not yet known, and
        the cursor moved, forward only. How many were new."""
        ...


async def sync_mailbox(
    gmail: MailHistory, store: CursorStore, mailbox: str, *, pushed: int | None = None, full: bool = False
) -> int:
    """Record what came in since the cursor; how much was new. `pushed` only tells that nothing can be new.

    `full` lists the inbox of the last days as well, whatever the cursor says.
    """
    async with store.lock(mailbox):
        cursor = await store.cursor(mailbox)
        if cursor is not None and not full:
            if pushed is not None and pushed <= cursor:
                return 0
            try:
                ids, following = await gmail.list_history(cursor)
                return await store.record(mailbox, ids, following)
            except CursorExpired:
                pass
        # Read before the list: what arrives in between is then listed, or told by the history, or both; never neither.
        following = await gmail.profile_history_id()
        ids = await gmail.list_inbox(FIRST_SYNC_DAYS if cursor is None else RESYNC_DAYS)
        return await store.record(mailbox, ids, following)
