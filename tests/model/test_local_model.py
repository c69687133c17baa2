"""Real clients against a real, if very small, model. Opt-in: see conftest.py.

Policy, k of n. Triage passes where the model itself, not the offline mind, gave a valid label for at least 2 of 5
messages (3 when this was written; it writes a confidence of 10 now and then). Of sentiment nothing is asked but an end: the
model rarely closes its list of cues. A turn passes only as 2 of 2: one outcome each, whatever the model did. The first
figure is about the model and may be relaxed for a smaller one; the last is about us and may not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.clock import SystemClock
from core.profile import load_intents
from core.settings import PROJECT_ROOT, Settings
from core.spending import Budget, Meter, metered
from graph.dry_run import draft_brief, try_turn
from llm.openai import OpenAiMind
from tests.nodes.fakes import FakeKnowledge, FakeMind, make_turn, passage

pytestmark = pytest.mark.model
MESSAGES = (
    "How do I change the card that my workspace is billed to?",
    "I want my money back for last month.",
    "Your app is useless, I am furious!",
    "Can I talk to a real person, please?",
    "Thanks, that solved it!",
)
MIND = FakeMind()
# A prompt that a small machine reads in seconds.
LABELS = load_intents(PROJECT_ROOT / "dossier" / "intents.yaml")[:4]


@pytest.fixture
async def mind(local_model: str) -> AsyncIterator[OpenAiMind]:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        openai_api_key="none",  # pyright: ignore[reportCallIssue]
        openai_base_url=local_model,
        openai_api="chat_completions",
        model_judge="local",
        model_reply="local",
        model_timeout_s=60,
        model_retries=0,
        models={"triage": {"max_tokens": 100}, "sentiment": {"max_tokens": 100}, "responder": {"max_tokens": 400}},
    )
    mind = OpenAiMind(settings, MIND)
    yield mind
    await mind.aclose()


async def test_a_label_is_one_of_those_offered_and_a_score_lies_on_the_scale(mind: OpenAiMind) -> None:
    with metered(Meter()) as meter:
        for message in MESSAGES:
            found = await mind.classify(message, LABELS, instructions="You sort messages of customers.")
            assert found.label in {label.id for label in LABELS} | {MIND.intent}
            rating = await mind.rate_sentiment(message, instructions="You rate how customers feel.")
            assert 0 <= rating.score <= 1
    outcomes = [call.outcome for call in meter.calls if call.node == "triage"]
    assert outcomes.count("ok") >= 2, outcomes
    assert all(call.input_tokens > 0 and call.cost_usd_micros is None for call in meter.calls if call.outcome == "ok")


@pytest.mark.parametrize("message", MESSAGES[:2])
async def test_a_turn_ends_with_a_reply_from_the_documents_or_with_a_person(mind: OpenAiMind, message: str) -> None:
    text = "Open Settings, then Billing. Choose Replace card."
    deps = replace(make_turn(knowledge=FakeKnowledge((passage(text),))).deps, mind=mind)
    deps = replace(deps, intents=LABELS, budget=Budget(turn_s=120))
    result = await try_turn(deps, draft_brief(SystemClock(), message))
    assert result.outcome in ("answered", "handed_over", "silent")
    if result.outcome == "answered":
        assert {source.slug for source in result.sources} == {"change-card"}
    if result.outcome == "handed_over":
        assert result.escalation is not None
        assert result.reply is not None
    assert result.calls
