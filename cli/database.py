"""The database of a command: the configured one, or the embedded one of the data folder."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator

from core.errors import ConfigurationError
from core.settings import Settings
from crm.embedded import attach_or_start
from crm.migrate import migrate, pending
from crm.pool import Pool, open_pool


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of a migrated database: the configured one, or the embedded one, started if it does not run."""
    if settings.database_url is not None:
        dsn = settings.database_url.get_secret_value()
        if missing := pending(dsn):
            raise ConfigurationError(f"The database lacks {len(missing)} migrations: run `fte migrate` first")
        yield dsn
        return
    with attach_or_start(settings.data_dir) as dsn:
        migrate(dsn)
        yield dsn


@contextlib.asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Pool]:
    """A pool on that database, for commands."""
    with database(settings) as dsn:
        pool = await open_pool(dsn, max_size=settings.database_pool_size)
        try:
            yield pool
        finally:
            await pool.close()
