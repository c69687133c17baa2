"""The suites by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from evals.suite import Suite
from evals.suites.conversation import Conversation
from evals.suites.grounding import Grounding
from evals.suites.guardrail import Guardrail
from evals.suites.identity import Identity
from evals.suites.injection import Injection
from evals.suites.mail import Mail
from evals.suites.reply import Reply
from evals.suites.retrieval import Retrieval
from evals.suites.sentiment import Sentiment
from evals.suites.triage import Triage

SUITES: Mapping[str, Callable[[], Suite[Any, Any]]] = {
    "triage": Triage,
    "sentiment": Sentiment,
    "retrieval": Retrieval,
    "guardrail": Guardrail,
    "injection": Injection,
    "grounding": Grounding,
    "reply": Reply,
    "mail": Mail,
    "identity": Identity,
    "conversation": Conversation,
}
