"""Bounces: which mail of ours a report says did not arrive. A mere delay is none.

RFC 3464 (delivery reports); what is older, or broken, is known by the marks that the loop shield knows.
"""

from __future__ import annotations

import re
from email.message import Message
from typing import Final

from channels.email.auto import is_bounce
from channels.email.mime import header, leaves, payload_text

_MAIL_ID: Final = re.compile(r"<[^<>\s]{1,500}>")
_ORIGINAL_ID: Final = re.compile(r"^[>\s]{0,8}message-id:\s*(<[^<>\s]{1,500}>)", re.I | re.M)
_ACTION: Final = re.compile(r"^action:\s*([a-z]+)", re.I | re.M)
_STATUS: Final = re.compile(r"^status:\s*([245]\.\d{1,3}\.\d{1,3})", re.I | re.M)
_DELAY: Final = re.compile(r"\b(?:delay(?:ed)?|warning|still being (?:re)?tried|will (?:be )?retr(?:y|ied))\b", re.I)
# Old mail servers put the mail that came back below their own words.
_ORIGINALS: Final = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers", "text/plain")
_MAX_TEXT: Final = 100_000


def bounced_ids(mail: Message) -> str:
    """Message-IDs of the mail that did not arrive, as far as the report names them; empty for everything else."""
    if not is_bounce(mail):
        return ""
    report = _text_of(mail, "message/delivery-status", "message/global-delivery-status")
    actions = {action.lower() for action in _ACTION.findall(report)}
    if "failed" not in actions and (actions or _DELAY.search(header(mail, "subject"))):
        return ""
    original = _text_of(mail, *_ORIGINALS)
    named = [*_ORIGINAL_ID.findall(original), *_MAIL_ID.findall(_answered(mail))]
    return " ".join(dict.fromkeys(named))


def bounce_status(mail: Message) -> str:
    """The enhanced status code (RFC 3463): numbers only, because the words beside it are a stranger's."""
    found = _STATUS.search(_text_of(mail, "message/delivery-status", "message/global-delivery-status"))
    return found.group(1) if found else ""


def _answered(mail: Message) -> str:
    return f"{header(mail, 'in-reply-to')} {header(mail, 'references')}"


def _text_of(mail: Message, *kinds: str) -> str:
    return "\n".join(_source(part) for part in leaves(mail) if part.get_content_type() in kinds)[:_MAX_TEXT]


def _source(part: Message) -> str:
    """A part as it was written; the standard library makes messages of what is inside a report."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return payload_text(part)
    return "\n".join(
        "\n".join(f"{name}: {value}" for name, value in inner.raw_items()) if isinstance(inner, Message) else ""
        for inner in payload
    )
