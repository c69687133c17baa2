"""The send boundary (law 10): deterministic checks of the final text, whatever the nodes and models before it believed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from core.contacts import foreign_contacts
from core.manners import breach
from core.plain_text import plain
from core.turn import TurnContext
from nodes.prompts import PROMPTS, render_prompt
from nodes.state import Draft, HandOver
from tools.toolbox import TOOLS

# So many words in a row are no accident: of all pages of the documents none shares six with a prompt (a test holds it).
_SHARED_WORDS: Final = 6
_WORD: Final = re.compile(r"[^\W_]+")
_UUID: Final = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
# Longer than a word, a ticket id or a code of ours: a text that was encoded.
_BLOB: Final = re.compile(r"[A-Za-z0-9+/=_-]{48,}|(?:[0-9a-f]{2}[ :]?){32,}", re.IGNORECASE)


def stop_at_boundary(turn: TurnContext, draft: Draft) -> HandOver | None:
    """Why a draft must not leave, or None."""
    text = draft["text"]
    for finding in turn.deps.policy.check(text, stage="send", channel=turn.brief.channel):
        return _stopped("policy_violation", finding.rule_id, finding.evidence)
    for contact in foreign_contacts(text, turn.known_contacts()):
        return _stopped("policy_violation", "foreign_contact", contact.written)
    for leak in leaks(turn, text):
        return _stopped("policy_violation", "internal_text", leak)
    signature = turn.deps.profile.name if turn.brief.channel == "web_form" else turn.deps.profile.signature
    if fault := breach(turn.brief.channel, draft["parts"], signature=signature):
        return _stopped("system_error", "manners", fault)
    return None


def leaks(turn: TurnContext, text: str) -> Iterator[str]:
    """Words of a prompt, names of tools, ids of rows, encoded text: nothing of it is for a customer."""
    profile = turn.deps.profile
    ours = " ".join(passage.text for passage in turn.work.passages.values())
    for name in (tool.name for tool in TOOLS):
        if name in text and name not in ours:
            yield name
    for pattern in (_UUID, _BLOB):
        yield from (m.group() for m in pattern.finditer(text) if m.group() not in ours and "://" not in m.group())
    secret = _secret_runs(tuple(render_prompt(name, profile) for name in PROMPTS), profile.one_liner)
    yield from (" ".join(run) for run in _runs(text) if run in secret)


@lru_cache(maxsize=4)
def _secret_runs(prompts: tuple[str, ...], public: str) -> frozenset[tuple[str, ...]]:
    """What stands in a prompt and is not the company's own word about itself."""
    return frozenset(run for prompt in prompts for run in _runs(prompt)) - frozenset(_runs(public))


def _runs(text: str) -> Iterator[tuple[str, ...]]:
    words = [match.group() for match in _WORD.finditer(plain(text).text.lower())]
    yield from (tuple(words[n : n + _SHARED_WORDS]) for n in range(len(words) - _SHARED_WORDS + 1))


def _stopped(reason: str, rule: str, evidence: str) -> HandOver:
    return {
        "reason": reason,
        "rule": rule,
        "evidence": evidence[:500],
        "counterfactual": "The reply would have been sent.",
        "summary": "The reply was stopped at the send boundary.",
    }
