"""One piece of work in one transaction on the product's database, and the options that such commands share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from psycopg import AsyncConnection

from cli.database import open_database
from core.settings import Settings, load_settings
from crm.pool import transaction

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
DataDir = Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL.")]
Reason = Annotated[str, typer.Option(help="Why, for whoever looks at it later.")]
Result = TypeVar("Result")


def transact(data_dir: Path | None, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    async def in_transaction() -> Result:
        async with open_database(settings_of(data_dir)) as pool, transaction(pool) as conn:
            return await work(conn)

    return asyncio.run(in_transaction())


def settings_of(data_dir: Path | None) -> Settings:
    return load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
