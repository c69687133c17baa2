"""What a message asks: its asking clauses, and the separate questions that deserve a search each."""

from __future__ import annotations

import re

from llm.rewriting import content_words

_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE = re.compile(r"(?<=[.!?;,])\s+|\s+-+\s+|\n+")
_JOINED = re.compile(r"\b(?:and also|also,|and how|and what|and where|and when|and can|plus,?)\b", re.IGNORECASE)
_ASKS = re.compile(
    r"^(?:and |or |so |but )?(?:how|what|where|when|why|which|who|whose|(?:un)?till? when"
    r"|can|could|may|do|does|did|is|are|will|would|should)\b",
    re.IGNORECASE,
)
# With fewer words of its own, or with a pronoun, a question leans on the sentences round it and is no search by itself.
_LEANS = re.compile(r"\b(?:it|its|they|them|their|that|this|those|these|there|one|he|she|his|her)\b", re.IGNORECASE)
_OWN_WORDS = 2
_MAX_QUESTIONS = 3


def split_questions(message: str) -> list[str]:
    """Two or three questions that can be understood alone; empty for a message that asks one thing."""
    asking = [s.strip() for s in _SENTENCE.split(message) if s.strip().endswith("?")]
    parts: list[str] = []
    for sentence in asking:
        cut = _JOINED.search(sentence)
        parts += (
            [sentence] if cut is None else [sentence[: cut.start()].strip(" ,;") + "?", sentence[cut.start() :].strip()]
        )
    parts = [part for part in parts if len(content_words(part)) >= _OWN_WORDS and not _LEANS.search(part)]
    return parts[:_MAX_QUESTIONS] if len(parts) > 1 else []


def asking_clauses(message: str) -> list[str]:
    """The clauses that ask, question mark or not: "our script gets E429, how many requests are ok" asks the second."""
    clauses = [clause.strip() for clause in _CLAUSE.split(message) if clause.strip()]
    return [clause for clause in clauses if clause.endswith("?") or _ASKS.match(clause)][:4]
