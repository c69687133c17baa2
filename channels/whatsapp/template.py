"""The approved template that carries an answer to a customer whose 24 hours are over.

Only a text that WhatsApp has approved may open a conversation again. Ours has one variable, {{1}}: the answer.
https://www.twilio.com/docs/content/using-variables-with-content-api
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from channels.text import utf16_units

VARIABLE: Final = "{{1}}"
# Error 63021: the approved text with its variables filled in.
MAX_UNITS: Final = 1024


@dataclass(frozen=True, slots=True)
class Template:
    """`text` is the approved text to the letter; `content_sid` its id at Twilio."""

    content_sid: str
    text: str


@dataclass(frozen=True, slots=True)
class FilledTemplate:
    """`text` is what the customer reads; `progress` tells the adapter to send it as a template."""

    text: str
    progress: Mapping[str, Any]


def fill(template: Template, answer: str) -> FilledTemplate | None:
    """The template with an answer in it; None where it does not fit. A variable may hold no line break and no run of blanks."""
    value = " ".join(answer.split())
    text = template.text.replace(VARIABLE, value)
    if utf16_units(text) > MAX_UNITS:
        return None
    return FilledTemplate(text, {"template": {"sid": template.content_sid, "variables": {"1": value}}})
