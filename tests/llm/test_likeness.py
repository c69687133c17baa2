"""Rules judged by what they mean, on a policy of one page."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.models import Suspicion
from core.policy import Examples, Rule
from llm.embedding import E5, SentenceEmbedder
from llm.embedding_store import StoredEmbedder
from llm.offline import OfflineMind

DISCOUNT = Rule(
    id="discount",
    title="Discounts",
    why="Sales decides.",
    stages=("inbound",),
    action="hand_over",
    reason="pricing_inquiry",
    any=("never",),
    examples=Examples(
        must_match=(
            "Do you give discounts to schools?",
            "Is there a rebate for charities?",
            "Can we get a lower rate?",
            "Would you reduce the fee for a small shop?",
            "Are there special offers for new customers?",
        ),
        must_not_match=(
            "How do I enter a discount on an order?",
            "Can my buyers use a voucher?",
            "Where do I set a sale price?",
            "How do I lower the price of an item?",
        ),
    ),
)
PERSON = Rule(
    id="person",
    title="A person",
    why="Whoever asks gets one.",
    stages=("inbound",),
    action="hand_over",
    reason="human_requested",
    any=("never",),
    examples=Examples(
        must_match=("Let me talk to somebody.", "Can a person call me?", "I want to speak to your staff."),
        must_not_match=("How do I invite a person?", "Which staff can see costs?"),
    ),
)
RULES = (DISCOUNT, PERSON)
ORDINARY = (
    "How do I print labels?",
    "My labels come out blank since the update.",
    "Which driver does the print agent need on Windows?",
    "How do I import a file?",
    "Where do I change my password?",
    "The sync stopped at noon.",
)
MIND = OfflineMind(SentenceEmbedder(E5), None)


async def judge(text: str, mind: OfflineMind = MIND) -> tuple[Suspicion, ...]:
    return await mind.judge_policy(text, RULES, stage="inbound", ordinary=ORDINARY, instructions="")


async def test_a_sentence_like_the_examples_breaks_the_rule_and_says_why() -> None:
    [found] = await judge("Hello. Is there a lower fee for a charity?")
    assert found.rule_id == "discount"
    assert found.evidence == "Is there a lower fee for a charity?" or found.evidence.startswith("Hello.")
    assert found.because.startswith("like '")


@pytest.mark.parametrize(
    ("text", "rule"),
    [("Could a member of your staff speak with me?", "person"), ("Any rebates for schools?", "discount")],
)
async def test_each_rule_answers_for_itself(text: str, rule: str) -> None:
    assert [found.rule_id for found in await judge(text)] == [rule]


async def test_all_rules_that_are_broken_are_named_each_once() -> None:
    said = "Is there a lower fee for a charity? I want to speak to a person. Any rebates for schools?"
    found = await MIND.judge_policy(said, RULES, stage="draft", ordinary=ORDINARY, instructions="")
    assert [one.rule_id for one in found] == ["discount", "person"]


@pytest.mark.parametrize(
    "text",
    ["How do I print two labels?", "Where do I enter a discount on the order?", "Which staff may see costs?", "ok"],
)
async def test_ordinary_and_look_alike_questions_break_none(text: str) -> None:
    assert await judge(text) == ()


async def test_of_a_draft_every_sentence_counts_alone() -> None:
    question = "My labels come out blank since the update of the print agent. Which driver do I need on Windows 11?"
    said = f"{question} The import stopped too. I want to speak to you."
    [found] = await MIND.judge_policy(said, RULES, stage="draft", ordinary=ORDINARY, instructions="")
    assert found.evidence == "I want to speak to you."


async def test_where_nothing_tells_what_breaks_no_rule_there_is_no_verdict() -> None:
    one_sided = [rule.model_copy(update={"examples": Examples(must_match=rule.examples.must_match)}) for rule in RULES]
    text = DISCOUNT.examples.must_match[0]
    assert await MIND.judge_policy(text, one_sided, stage="inbound", ordinary=(), instructions="") == ()


async def test_lessons_teach_what_examples_do_not_say() -> None:
    lessons = Examples(must_match=("My wallet is thin, make me happy.", "Be kind to my thin wallet, will you?"))
    taught = (DISCOUNT.model_copy(update={"lessons": lessons}), PERSON)
    text = "Make my thin wallet happy, be kind."
    assert await judge(text) == ()
    [found] = await MIND.judge_policy(text, taught, stage="inbound", ordinary=ORDINARY, instructions="")
    assert found.rule_id == "discount"


async def test_what_was_fitted_once_is_not_embedded_again(tmp_path: Path) -> None:
    class Counting(SentenceEmbedder):
        asked = 0

        async def embed(self, texts):
            self.asked += len(texts)
            return await super().embed(texts)

    def mind() -> tuple[Counting, OfflineMind]:
        made = Counting(E5)
        return made, OfflineMind(made, None, fixed=StoredEmbedder(made, tmp_path / "vectors"))

    (first, one), (second, other) = mind(), mind()
    assert await judge("Any rebate for schools?", one) == await judge("Any rebate for schools?", other)
    assert (first.asked > len(ORDINARY), second.asked) == (True, 1)
