"""A PostgreSQL that belongs to one command: started in a temporary folder, gone with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from crm.embedded import attach_or_start
from crm.migrate import migrate
from crm.pool import Pool, open_pool


@contextmanager
def scratch_database(prefix: str) -> Iterator[str]:
    """The address of a migrated database that nobody else uses."""
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        os.chmod(folder, 0o711)  # noqa: S103 - where root runs this, the server's account must get in
        with attach_or_start(Path(folder)) as dsn:
            migrate(dsn)
            yield dsn


@asynccontextmanager
async def scratch_pool(prefix: str, *, max_size: int) -> AsyncIterator[Pool]:
    with scratch_database(prefix) as dsn:
        pool = await open_pool(dsn, max_size=max_size)
        try:
            yield pool
        finally:
            await pool.close()
