"""Agent: the waiting messages of a conversation become one turn of the graph; a person's decision resumes one."""

from __future__ import annotations

import asyncio
import contextlib
from uuid import UUID

import structlog

from core.errors import DatabaseUnavailable, HandOverFence, NotFound, StaleTurn, TurnBusy
from core.models import Escalation, ReviewDecision, TurnBrief
from crm.outbox import add_event
from crm.pool import transaction
from crm.turns import claim_resume, claim_turn, open_failure_turn, release_turn, renew_lease, still_writing
from events.bus import Delivered
from events.topics import TICKETS_INCOMING
from graph.run import UNDELIVERED, resume_turn, run_turn
from workers.context import WorkerContext, bury, id_in

log = structlog.get_logger()
_BUSY_PAUSE_S = 2.0


class AgentWorker:
    def __init__(self, context: WorkerContext) -> None:
        self._context = context

    async def handle(self, delivered: Delivered) -> None:
        try:
            await self._handle(delivered)
        except TurnBusy:
            # Not a failure: the event is written again for later, so that waiting uses up no attempt.
            envelope = delivered.envelope
            async with transaction(self._context.pool) as conn:
                await add_event(
                    conn, TICKETS_INCOMING, envelope.key, envelope.type, envelope.payload, delay_s=_BUSY_PAUSE_S
                )
        except (StaleTurn, HandOverFence) as error:
            log.warning("turn.fenced", error_class=type(error).__name__, conversation_id=delivered.envelope.key)

    async def _handle(self, delivered: Delivered) -> None:
        match delivered.envelope.type:
            case "message.received":
                await self._answer(id_in(delivered, "conversation_id"))
            case "review.decided":
                await self._resume(id_in(delivered, "review_id"))
            case "delivery.failed":
                await self._report_failure(
                    id_in(delivered, "conversation_id"), str(delivered.envelope.payload["error"])
                )
            case other:
                raise ValueError(f"unknown event type {other!r} on {TICKETS_INCOMING}")

    async def on_dead(self, delivered: Delivered, error: Exception) -> None:
        """Every attempt failed: the event is kept, and the customer's conversation goes to a person."""
        await bury(self._context, delivered, error)
        if delivered.envelope.type != "message.received":
            return
        try:
            async with transaction(self._context.pool) as conn:
                claim = await claim_turn(conn, id_in(delivered, "conversation_id"), **self._lease())
            if claim.brief is not None:
                failure = _failure("worker.exhausted", f"{type(error).__name__} after {delivered.attempt} attempts")
                await self._run(claim.brief, failure=failure)
        except (NotFound, StaleTurn, HandOverFence, LookupError, ValueError) as reason:
            # There is no conversation to hand over, or somebody has it already; the dead letter is with the operator.
            log.warning("turn.not_handed_over", error_class=type(reason).__name__)

    async def _answer(self, conversation_id: UUID) -> None:
        async with transaction(self._context.pool) as conn:
            if await still_writing(conn, conversation_id, self._context.settings.pause_s):
                return  # the event of the newest message comes after its own pause
            claim = await claim_turn(conn, conversation_id, **self._lease())
        if claim.brief is not None:
            await self._run(claim.brief)

    async def _resume(self, review_id: UUID) -> None:
        async with transaction(self._context.pool) as conn:
            claimed = await claim_resume(conn, review_id, lease_s=self._context.settings.turn_lease_s)
        if claimed is not None:
            await self._run(claimed[0], decision=claimed[1])

    async def _report_failure(self, conversation_id: UUID, error: str) -> None:
        note = f"A message could not be delivered: {error}"
        async with transaction(self._context.pool) as conn:
            brief = await open_failure_turn(conn, conversation_id, note=note, **self._lease())
        if brief is not None:
            await self._run(brief, failure=_failure(UNDELIVERED, error))

    async def _run(
        self, brief: TurnBrief, *, decision: ReviewDecision | None = None, failure: Escalation | None = None
    ) -> None:
        context = self._context
        heartbeat = asyncio.create_task(self._keep_lease(brief))
        try:
            if decision is not None:
                result = await resume_turn(context.graph, context.deps, brief, decision)
            else:
                result = await run_turn(context.graph, context.deps, brief, failure=failure)
        except (StaleTurn, HandOverFence, DatabaseUnavailable):
            raise
        except Exception:
            async with transaction(context.pool) as conn:
                await release_turn(conn, brief)
            raise
        finally:
            heartbeat.cancel()
        log.info(
            "turn.finished",
            turn_id=str(brief.turn_id),
            channel=brief.channel,
            outcome=result.outcome,
            reason=result.reason,
            attempt=brief.attempt,
        )

    async def _keep_lease(self, brief: TurnBrief) -> None:
        """A slow model is no dead worker: the lease is renewed while the turn runs."""
        lease_s = self._context.settings.turn_lease_s
        while True:
            await asyncio.sleep(lease_s / 3)
            with contextlib.suppress(DatabaseUnavailable):
                async with transaction(self._context.pool) as conn:
                    await renew_lease(conn, brief, lease_s=lease_s)

    def _lease(self) -> dict:
        return {"lease_s": self._context.settings.turn_lease_s, "graph_version": self._context.graph_version}


def _failure(rule: str, evidence: str) -> Escalation:
    return Escalation(
        reason="system_error",
        rule=rule,
        evidence=evidence[:500],
        counterfactual="The assistant would have answered, had our side not failed.",
        summary="A failure on our side; the customer is waiting.",
    )
