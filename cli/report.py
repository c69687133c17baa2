"""`fte report`: the figures of a period, channel by channel."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cli.database import open_database
from cli.output import echo_json
from core.settings import Settings, load_settings
from crm.metrics import ChannelMetrics, list_channel_metrics
from crm.pool import transaction


def report(
    hours: Annotated[float | None, typer.Option(help="The last so many hours; everything when left out.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the embedded PostgreSQL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Conversations, messages, escalations, sentiment, times, failures and what models cost, by channel."""
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    found = asyncio.run(_read(settings, hours))
    if as_json:
        return echo_json({metrics.channel: metrics for metrics in found})
    names = [field.name for field in dataclasses.fields(ChannelMetrics) if field.name != "channel"]
    typer.echo(f"{'':<22}" + "".join(f"{metrics.channel:>12}" for metrics in found))
    for name in names:
        typer.echo(
            f"{name.replace('_', ' '):<22}" + "".join(f"{_figure(getattr(metrics, name)):>12}" for metrics in found)
        )


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


async def _read(settings: Settings, hours: float | None) -> list[ChannelMetrics]:
    since = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    async with open_database(settings) as pool, transaction(pool) as conn:
        return await list_channel_metrics(conn, since=since)
