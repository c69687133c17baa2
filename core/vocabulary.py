"""The fixed sets of words that the product speaks: the same in SQL checks, in the API and in the pages."""

from __future__ import annotations

from typing import Final, Literal

Channel = Literal["email", "whatsapp", "web_form"]
TicketStatus = Literal["open", "processing", "escalated", "resolved", "closed"]
Priority = Literal["low", "medium", "high"]
Category = Literal["general", "technical", "billing", "feedback", "bug_report"]
Direction = Literal["inbound", "outbound"]
Author = Literal["customer", "assistant", "human", "system"]
DeliveryStatus = Literal["queued", "sending", "sent", "delivered", "read", "failed"]
Evidence = Literal["verified", "confirmed", "claimed"]
IdentifierKind = Literal["email", "phone", "whatsapp_user_id"]
Owner = Literal["assistant", "human"]
Outcome = Literal["answered", "handed_over", "silent"]
Decision = Literal["approve", "edit", "respond", "reject"]
Stage = Literal["inbound", "draft", "send"]
SentenceKind = Literal["verbatim", "worded", "foreign", "courtesy"]
MessageKind = Literal["message", "reply", "handover_notice"]
InboundKind = Literal["message", "push", "status", "decision"]
EscalationReason = Literal[
    "pricing_inquiry",
    "refund_request",
    "legal",
    "angry_customer",
    "human_requested",
    "no_answer",
    "competitor",
    "policy_violation",
    "unsupported_language",
    "system_error",
]

# Below this a customer is angry: a person takes over, and the assistant closes nothing.
ANGER_BELOW: Final = 0.3
# What a person may write in one answer: the channel's own limit less greeting and signature. Longer text is refused, never cut.
MAX_HUMAN_WORDS: Final[dict[Channel, int]] = {"email": 450, "whatsapp": 600, "web_form": 270}
CHANNELS: Final[tuple[Channel, ...]] = ("email", "whatsapp", "web_form")
STAGES: Final[tuple[Stage, ...]] = ("inbound", "draft", "send")
CATEGORIES: Final[tuple[Category, ...]] = ("general", "technical", "billing", "feedback", "bug_report")
PRIORITIES: Final[tuple[Priority, ...]] = ("low", "medium", "high")
