"""What the judging nodes ask a model, and the shape of its answers. The stable part comes first, so that it is cached."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from core.models import Label
from core.policy import Rule

_EXAMPLES = 4
_TAG = re.compile(r"<(\s*/?\s*)customer_message", re.IGNORECASE)


def _share(value: float) -> float:
    """Checked here, not in the schema: not every provider knows `minimum` and `maximum` there."""
    if not 0 <= value <= 1:
        raise ValueError("a share lies between 0 and 1")
    return value


Share = Annotated[float, AfterValidator(_share)]


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SentimentAnswer(Answer):
    """How the customer feels."""

    score: Share = Field(description="From 0, furious or abusive, to 1, delighted.")
    cues: list[str] = Field(description="The customer's words that decided it, at most five, as they were written.")


class QueryAnswer(Answer):
    """Another way to ask."""

    query: str = Field(description="The question in other words, at most 300 characters.", min_length=1)


class PolicyAnswer(Answer):
    """The rule that the text breaks, if any."""

    rule: str | None = Field(description="The id of the rule that the text breaks most clearly, or null.")
    words: str = Field(description="The words that break it, to the letter; empty when no rule is broken.")
    confidence: Share = Field(description="From 0, a guess, to 1, certain.")


class LabelAnswer(Answer):
    label: str
    confidence: Share
    runner_up: str | None


@lru_cache(maxsize=16)
def label_answer(labels: tuple[Label, ...]) -> type[LabelAnswer]:
    """The answer to "which label?", which can name no other than these."""
    names: Any = Literal[tuple(label.id for label in labels)]  # pyright: ignore[reportInvalidTypeForm]
    fields: dict[str, Any] = {
        "label": (names, Field(description="The one label that fits best.")),
        "confidence": (Share, Field(description="From 0, a guess, to 1, certain.")),
        "runner_up": (names | None, Field(description="The label that fits second best, if any does.")),
    }
    doc = "The label that says what the customer wants."
    return create_model("LabelChoice", __base__=LabelAnswer, __doc__=doc, **fields)


@lru_cache(maxsize=16)
def label_instructions(instructions: str, labels: tuple[Label, ...]) -> str:
    """The node's instructions and the labels, in the order in which the dossier has them."""
    lines = [instructions.strip(), "", "The labels:"]
    for label in labels:
        lines.append(f"- {label.id}: {label.description}")
        lines.extend(f'  - "{example}"' for example in label.examples[:_EXAMPLES])
    return "\n".join(lines)


@lru_cache(maxsize=16)
def policy_instructions(instructions: str, rules: tuple[Rule, ...]) -> str:
    """The node's instructions and the rules with some of their examples, in the order in which the dossier has them."""
    lines = [instructions.strip(), "", "The rules:"]
    for rule in rules:
        lines.append(f"- {rule.id}: {rule.title}. {rule.why}")
        lines.extend(f'  - breaks it: "{text}"' for text in rule.examples.must_match[:_EXAMPLES])
        lines.extend(f'  - ordinary: "{text}"' for text in rule.examples.must_not_match[:_EXAMPLES])
    return "\n".join(lines)


def mark_customer_text(text: str) -> str:
    """Customer text in its marked block. The marks inside it are broken, so that the block cannot be closed from within."""
    harmless = _TAG.sub(r"<\1customer-message", text)
    return f"<customer_message>\n{harmless}\n</customer_message>"


def other_words(question: str, tried: Sequence[str]) -> str:
    """The task of `rewrite_query`. What was searched for are the customer's words too, so it is marked as well."""
    queries = "\n".join(f"- {query}" for query in tried)
    return (
        f"These searches in our documents found nothing:\n{mark_customer_text(queries)}\n"
        f"Ask for the same in other words, as our documents might put it:\n{mark_customer_text(question)}"
    )
