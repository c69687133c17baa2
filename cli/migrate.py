"""`fte migrate`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from core.settings import load_settings
from crm.embedded import attach_or_start
from crm.migrate import migrate, schema_version


def migrate_command(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
    """Bring the database to this release's schema. Safe to run twice, and twice at once."""
    settings = load_settings()
    if settings.database_url is not None:
        _migrate(settings.database_url.get_secret_value(), as_json=as_json)
        return
    with attach_or_start(settings.data_dir) as dsn:
        _migrate(dsn, as_json=as_json)


def _migrate(dsn: str, *, as_json: bool) -> None:
    applied = migrate(dsn)
    current = schema_version(dsn)
    if as_json:
        typer.echo(json.dumps({"applied": applied, "schema_version": current}))
    else:
        typer.echo(f"applied {', '.join(applied)}" if applied else f"nothing to do, schema is at {current}")
