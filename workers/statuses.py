"""Reports about sent messages, from a callback or asked for: deliveries only move up, and a failure goes to a person."""

from __future__ import annotations

from uuid import UUID

import structlog
from psycopg import AsyncConnection

from channels.whatsapp.client import refusal
from channels.whatsapp.status import StatusReport
from crm.deliveries import get_outgoing
from crm.reports import keep_report, settle_delivery
from workers.context import WorkerContext
from workers.undelivered import give_up

log = structlog.get_logger()


async def apply_report(context: WorkerContext, conn: AsyncConnection, report: StatusReport) -> None:
    """Keep a report, and raise its delivery if we know it: an early one waits for the delivery to become known."""
    delivery_id = await keep_report(
        conn,
        "whatsapp",
        report.provider_message_id,
        report.status,
        delivery_id=report.delivery_id,
        part=report.part,
        error_code=report.error_code,
        error=report.error,
    )
    if delivery_id is None:
        log.warning("status.orphan", provider_message_id=report.provider_message_id, status=report.status)
        return
    await settle(context, conn, delivery_id)


async def settle(context: WorkerContext, conn: AsyncConnection, delivery_id: UUID) -> None:
    """Bring a delivery up to what is reported of its parts."""
    failed = await settle_delivery(conn, delivery_id)
    if failed is not None:
        outgoing = await get_outgoing(conn, delivery_id)
        log.warning("delivery.failed", delivery_id=str(delivery_id), code=failed.error_code, permanent=True)
        await give_up(context, conn, outgoing, refusal(failed.error_code or "undelivered", failed.error))
