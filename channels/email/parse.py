"""A raw mail as a message: who wrote, what is new in it, what hangs on it, and whether a person wrote it at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, Final

from channels.email.attachments import is_text, list_attachments
from channels.email.auto import automatic_rule
from channels.email.bounce import bounce_status, bounced_ids
from channels.email.html import html_to_text
from channels.email.mime import (
    BROKEN,
    addresses,
    disposition,
    file_name,
    header,
    headers,
    leaves,
    payload_text,
    read_mail,
)
from channels.email.trim import trim_reply
from core.models import InboundMessage, Sender
from core.vocabulary import Evidence

NO_SENDER: Final = "unknown@invalid"
MAX_BODY: Final = 500_000
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")
_SUMMARY = re.compile(r"^SUMMARY[^:\r\n]*:(.+)$", re.M)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Whose mail it is. `authserv_id` names the server whose Authentication-Results we believe: our own provider's."""

    address: str
    instance: str = "fte"
    authserv_id: str = "mx.google.com"


def parse_mail(
    raw: bytes,
    mailbox: Mailbox,
    *,
    provider_message_id: str,
    thread_id: str = "",
    received_at: datetime | None = None,
) -> InboundMessage:
    """Never raises on bad mail. `text` is the new text, `full_text` everything that could be read.

    Where nobody is named as the sender, its address is NO_SENDER.
    """
    mail = read_mail(raw)
    name, address = _sender(mail)
    attachments = list_attachments(mail)
    full_text = _text(body_text(mail)) or _stand_in(mail, attachments)
    return InboundMessage(
        channel="email",
        sender=Sender("email", address or NO_SENDER, sender_evidence(mail, address, mailbox), name or None),
        text=trim_reply(full_text) or full_text,
        full_text=full_text,
        provider_message_id=provider_message_id,
        subject=header(mail, "subject")[:500] or None,
        thread_key=thread_id or None,
        sent_at=received_at or _date(mail),
        automatic=automatic_rule(mail, mailbox.address, mailbox.instance),
        attachments=attachments,
        headers=_thread_headers(mail, thread_id),
    )


def body_text(mail: Message) -> str:
    """The text of a mail as a person sees it: plain parts, or the HTML where plain text says nothing.

    A part that has a file's name is a file; only where there is nothing else was it meant to be read.
    """
    plain, html, named = [], [], []
    for part in leaves(mail):
        kind = part.get_content_type()
        if disposition(part) == "attachment" or not is_text(kind):
            continue
        if file_name(part):
            named += [payload_text(part)] if kind != "text/html" else []
        else:
            (html if kind == "text/html" else plain).append(payload_text(part))
    text = "\n\n".join(piece.strip("\n") for piece in plain if piece.strip())
    if text.strip() and not (html and _says_nothing(text)):
        return html_to_text(text) if re.match(r"\s*<(?:!doctype html|html)\b", text, re.I) else text
    return "\n\n".join(filter(None, map(html_to_text, html))) or text or "\n\n".join(named)


def sender_evidence(mail: Message, address: str, mailbox: Mailbox) -> Evidence:
    """`verified` where our own provider says that DMARC passed for the From domain (RFC 8601); else merely `claimed`.

    Only the topmost header counts: it is the one that our provider put there, those below may be the sender's.
    """
    results = (headers(mail, "authentication-results") or [""])[0].lower()
    server, _, verdicts = results.partition(";")
    domain = address.rpartition("@")[2]
    if not domain or server.split()[:1] != [mailbox.authserv_id]:
        return "claimed"
    dmarc = re.search(r"\bdmarc=pass\b[^;]*\bheader\.from=([\w.-]+)", verdicts)
    return "verified" if dmarc and _aligned(domain, dmarc.group(1)) else "claimed"


def _aligned(domain: str, proved: str) -> bool:
    return domain == proved or domain.endswith("." + proved)


def _sender(mail: Message) -> tuple[str, str]:
    for name in ("from", "sender", "reply-to", "return-path"):
        if found := addresses(mail, name):
            return found[0]
    return "", ""


def _text(text: str) -> str:
    text = text[:MAX_BODY].replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").replace("\u00a0", " ")
    return text.encode("utf-8", "replace").decode("utf-8").strip()


def _says_nothing(text: str) -> bool:
    """A plain part that only points at the HTML one."""
    return len(text.strip()) < 3 or bool(
        re.search(r"(?:view|see|does not support|requires).{0,60}\bhtml\b", text[:400], re.I)
    )


def _stand_in(mail: Message, attachments: tuple[Mapping[str, Any], ...]) -> str:
    """Something for the agent to read where there is no text: never an empty message."""
    summary = next((m for part in leaves(mail) if (m := _calendar_summary(part))), None)
    if summary is not None:
        return f"[The customer sent a calendar invitation: {summary}]"
    if attachments:
        names = ", ".join(a["name"] for a in attachments[:5])
        return f"[The customer sent a mail without text and {len(attachments)} attached: {names}]"
    subject = header(mail, "subject")
    return f"[The customer sent a mail without text. Subject: {subject or 'none'}]"


def _calendar_summary(part: Message) -> str | None:
    if part.get_content_type() != "text/calendar":
        return None
    found = _SUMMARY.search(payload_text(part))
    return found.group(1).strip()[:200] if found else "no title"


def _date(mail: Message) -> datetime | None:
    try:
        date = parsedate_to_datetime(header(mail, "date"))
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (*BROKEN, OverflowError):
        return None


def _thread_headers(mail: Message, thread_id: str) -> dict[str, str]:
    """What a reply needs to join the thread; every key always, so that an old value cannot outlive a new mail."""
    reply_to = addresses(mail, "reply-to")
    return {
        "thread_id": thread_id,
        "message_id": _first_id(header(mail, "message-id")),
        "in_reply_to": _first_id(header(mail, "in-reply-to")),
        "references": " ".join(_MESSAGE_ID.findall(header(mail, "references"))[-20:]),
        "reply_to": reply_to[0][1] if reply_to else "",
        "original_subject": header(mail, "subject")[:500],
        "bounced": bounced_ids(mail),
        "bounce_status": bounce_status(mail),
    }


def _first_id(value: str) -> str:
    found = _MESSAGE_ID.search(value)
    return found.group() if found else ""
