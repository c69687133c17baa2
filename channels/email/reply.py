"""The reply as a mail: in its thread, marked as automatic, plain text with a plain HTML twin."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from channels.email.auto import OWN_MARK
from channels.formatting import reply_subject
from core.errors import ChannelError
from core.models import Outgoing

_URL = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
_IDS = re.compile(r"<[^<>\s]+>")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who we are in mail. `instance` marks our own mail, so that it is known when it comes back."""

    address: str
    name: str
    instance: str = "fte"


def reply_id(outgoing: Outgoing, letterhead: Letterhead) -> str:
    """The Message-ID of a delivery: the same at every attempt, so that Gmail can be asked for it."""
    return f"<{outgoing.delivery_id}@{letterhead.address.rpartition('@')[2]}>"


def build_reply(outgoing: Outgoing, letterhead: Letterhead, now: datetime) -> bytes:
    """RFC 5322 bytes. A person's words carry no Auto-Submitted (RFC 3834). Raises ChannelError for a bad address."""
    text = "\n\n".join(outgoing.parts)
    mail = EmailMessage(policy=SMTP)
    try:
        mail["From"] = Address(letterhead.name, addr_spec=letterhead.address)
        mail["To"] = Address(addr_spec=outgoing.recipient)
        mail["Subject"] = " ".join((outgoing.subject or reply_subject(_thread(outgoing, "original_subject"))).split())
    except (ValueError, IndexError) as error:
        raise ChannelError("The recipient is not an email address", permanent=True, code="bad_address") from error
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = reply_id(outgoing, letterhead)
    if answered := _IDS.findall(_thread(outgoing, "message_id"))[:1]:
        mail["In-Reply-To"] = answered[0]
        mail["References"] = " ".join([*_references(outgoing, answered[0]), answered[0]])
    if outgoing.author != "human":
        mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "OOF, AutoReply"
    mail[OWN_MARK] = letterhead.instance
    mail.set_content(text)
    mail.add_alternative(_html(text), subtype="html")
    return mail.as_bytes()


def _thread(outgoing: Outgoing, name: str) -> str:
    return str(outgoing.thread.get(name) or "")


def _references(outgoing: Outgoing, answered: str) -> list[str]:
    """The thread so far; the first and the latest where it has grown long (RFC 5537 3.4.4 allows to trim)."""
    ids = [found for found in _IDS.findall(_thread(outgoing, "references")) if found != answered]
    return ids if len(ids) <= 20 else [ids[0], *ids[-19:]]


def _html(text: str) -> str:
    paragraphs = (html.escape(block, quote=False).replace("\n", "<br>\n") for block in text.split("\n\n"))
    linked = (_URL.sub(lambda m: f'<a href="{m.group().replace(chr(34), "")}">{m.group()}</a>', p) for p in paragraphs)
    return "<html><body>\n" + "\n".join(f"<p>{paragraph}</p>" for paragraph in linked) + "\n</body></html>\n"
