"""Scripted customers against the real workers: graded on the database first, then on words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from core.errors import ConfigurationError, ModelError
from core.settings import PROJECT_ROOT
from crm.pool import Pool
from evals.inlets import MailInlet, WhatsAppInlet
from evals.rows import BadRow, read_rows
from evals.suite import SuiteReport, run_suite
from evals.suites.conversation import Conversation
from evals.world import World
from tests.evals.conftest import MakeWorld, Write
from tests.fixtures_spine import Spine
from workers.crew import crew

CARD = "How do I change the card that my workspace is billed to?"
REFUND = "I want a refund for last month, please give me my money back."


@pytest.fixture
def world(make_world: MakeWorld, spine: Spine) -> World:
    """The spine of the tests with mail and WhatsApp beside its web form."""
    adapters = {**spine.context.adapters, "email": MailInlet("support@x.invalid"), "whatsapp": WhatsAppInlet()}
    settings = spine.context.settings.model_copy(update={"pause_whatsapp_s": 0.0})
    context = replace(spine.context, adapters=adapters, settings=settings)

    @asynccontextmanager
    async def workers(_: Pool) -> AsyncIterator[None]:
        async with crew(context):
            yield

    made = make_world(spine.context.pool, trials=2)
    made.spine = workers
    return made


async def run(world: World, write: Write, *rows: dict[str, Any]) -> SuiteReport:
    async with world:
        return await run_suite(Conversation(), world, write(rows))


async def test_what_is_right_in_database_and_words_passes_on_every_channel(world: World, write: Write) -> None:
    answered = {"tickets": 1, "status": "resolved", "open_reviews": 0, "replies": 1, "owner": "assistant"}
    handed_over = {"status": "escalated", "open_reviews": 1, "replies": 0, "notices": 1, "owner": "human"}
    question = {"says": CARD, "outcome": "answered", "must_say": ["card"], "must_not_say": ["refund"]}
    refund = {"says": REFUND, "outcome": "handed_over", "reason": "refund_request"}
    more = {"says": "Hello? Anybody there?", "outcome": "handed_over", "reason": "with_person"}
    report = await run(
        world,
        write,
        {"channel": "web_form", "turns": [question], "end": answered},
        {"channel": "whatsapp", "turns": [refund, more], "end": handed_over},
        {"channel": "email", "subject": "Money", "turns": [refund, more], "end": handed_over},
    )
    assert report.measured.faults == []
    assert report.whole
    figures = report.measured.figures
    assert {name: figures[name].value for name in ("passed", "pass^1", "pass^2")} == dict.fromkeys(
        ("passed", "pass^1", "pass^2"), 1
    )
    assert (figures["passed"].n, figures["pass^2"].n) == (6, 3)


async def test_the_database_is_graded_before_the_words(world: World, write: Write) -> None:
    report = await run(
        world,
        write,
        {"channel": "web_form", "turns": [{"says": CARD, "must_say": ["no such words"]}], "end": {"status": "closed"}},
        {"channel": "web_form", "turns": [{"says": CARD, "must_say": ["no such words"]}], "end": {"replies": 1}},
    )
    assert [fault.what for fault in report.measured.faults] == [
        *["database: status is 'resolved', not 'closed'"] * 2,
        *["words: turn 1: says none of ['no such words']"] * 2,
    ]
    assert report.measured.figures["end_state_right"].value == 0.5
    assert report.measured.figures["words_right"].n == 2


async def test_a_turn_that_failed_technically_is_ours(world: World, spine: Spine, write: Write) -> None:
    spine.mind.fail = [ModelError("away")] * 10
    report = await run(world, write, {"channel": "web_form", "turns": [{"says": CARD, "outcome": "answered"}]})
    assert [fault.what for fault in report.failed] == [
        "OurFailure: turn 1 went to a person because of an error of ours"
    ]
    assert report.asked == 0


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"channel": "fax", "turns": [{"says": "hi"}]},
            "`channel` must be one of email, whatsapp, web_form, not 'fax'",
        ),
        ({"channel": "email", "turns": []}, "`turns` must list"),
        ({"channel": "email", "turns": ["hi"]}, "turn 1 must be an object"),
        ({"channel": "email", "turns": [{"says": "hi"}], "end": {"mood": "good"}}, "not 'mood'"),
        ({"channel": "email", "turns": [{"says": "hi"}]}, "give `end`, or an `outcome`"),
    ],
)
async def test_a_script_that_cannot_be_judged_is_refused(
    make_world: MakeWorld, write: Write, row: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        await run_suite(Conversation(), make_world(), write([row]))
    assert "rows.jsonl:1" in refused.value.detail
    assert isinstance(refused.value, BadRow) or "give" in words


def test_the_dossiers_own_scripts_can_be_judged() -> None:
    cases = [Conversation().read(row) for row in read_rows(PROJECT_ROOT / "dossier" / "conversations.jsonl").rows]
    assert {case.channel for case in cases} == {"email", "whatsapp", "web_form"}
    assert len({case.id for case in cases}) == len(cases)
    assert all(case.end and all(turn.outcome for turn in case.turns) for case in cases)
