"""The manners of the channels, checked on the final text: greeting, signature and footer included.

The formatter keeps them; this is the proof, at the send boundary, that it did. A breach is a fault of ours.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from core.vocabulary import Channel

EMAIL_WORDS: Final = 500
WEB_FORM_WORDS: Final = 300
# Twilio refuses a longer body (error 21617).
WHATSAPP_UNITS: Final = 1_600
_GREETING: Final = re.compile(r"(?:Dear|Hello|Hi)\b[^\n]{0,80},\n")
_WHOLE: Final = re.compile(r"[.!?…。！？:][\"'”’»)\]]*$|\S://\S+$")
_ITEM: Final = re.compile(r"(?:\(\d+/\d+\) )?\s*(?:\d{1,3}[.)]|[-*•–])\s+\S")


def breach(channel: Channel, parts: Sequence[str], *, signature: str) -> str | None:
    """The first rule that the parts break, as they will be sent; None when all is well."""
    if not parts or not all(part.strip() for part in parts):
        return "an empty message"
    if channel == "whatsapp":
        return _whatsapp(parts)
    if len(parts) != 1:
        return f"{len(parts)} messages instead of one"
    text, limit = parts[0], EMAIL_WORDS if channel == "email" else WEB_FORM_WORDS
    if (count := len(text.split())) > limit:
        return f"{count} words, {limit} are allowed"
    if not _GREETING.match(text):
        return "no greeting"
    return None if signature.strip() in text else "no signature"


def _whatsapp(parts: Sequence[str]) -> str | None:
    for number, part in enumerate(parts, 1):
        if (units := len(part.encode("utf-16-le", "surrogatepass")) // 2) > WHATSAPP_UNITS:
            return f"message {number} has {units} characters, {WHATSAPP_UNITS} are allowed"
        if number < len(parts) and not _ends_whole(part):
            return f"message {number} is cut inside a sentence"
    return None


def _ends_whole(part: str) -> bool:
    last = part.rstrip().rsplit("\n", 1)[-1].rstrip()
    return _WHOLE.search(last) is not None or _ITEM.match(last) is not None
