"""A mailbox with a memory: messages, threads, drafts, and the history that a cursor walks along."""

from __future__ import annotations

import email
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import format_datetime, parseaddr
from typing import Any

_RFC822_ID = re.compile(r"rfc822msgid:(\S+)")
_NEWER = re.compile(r"newer_than:(\d+)d")


@dataclass(slots=True)
class StoredMail:
    id: str
    thread_id: str
    labels: set[str]
    raw: bytes
    history_id: int
    received_ms: int

    def headers(self) -> EmailMessage:
        return email.message_from_bytes(self.raw, policy=default)  # pyright: ignore[reportReturnType]

    @property
    def rfc822_id(self) -> str:
        return str(self.headers().get("message-id", "")).strip("<> ")

    def reference(self) -> dict[str, Any]:
        return {"id": self.id, "threadId": self.thread_id, "labelIds": sorted(self.labels)}


@dataclass(slots=True)
class Mailbox:
    address: str = "support@company.example"
    history_id: int = 1000
    # History below this is forgotten: asking for it is a 404, as at Gmail after a week or so.
    history_floor: int = 0
    mails: dict[str, StoredMail] = field(default_factory=dict)
    drafts: dict[str, StoredMail] = field(default_factory=dict)
    sent: list[StoredMail] = field(default_factory=list)
    history: list[tuple[int, str]] = field(default_factory=list)

    def receive(self, raw: bytes, labels: Iterable[str] = ("INBOX", "UNREAD")) -> StoredMail:
        mail = self._new(raw, set(labels), self._thread_of(raw))
        self._add(mail)
        return mail

    def add_draft(self, raw: bytes, thread_id: str | None) -> tuple[str, StoredMail]:
        draft_id = "r" + secrets.token_hex(8)
        self.drafts[draft_id] = self._new(raw, {"DRAFT"}, thread_id or self._thread_of(raw))
        return draft_id, self.drafts[draft_id]

    def send(self, raw: bytes, thread_id: str | None) -> StoredMail:
        """A sent message joins a thread only where its headers say so too."""
        related = self._thread_of(raw)
        mail = self._new(raw, {"SENT"}, thread_id if thread_id and thread_id == related else related)
        self._add(mail)
        self.sent.append(mail)
        return mail

    def delete(self, message_id: str) -> None:
        self.mails.pop(message_id, None)

    def forget_history(self) -> None:
        """As if more than a week had passed."""
        self.history_floor = self.history_id
        self.history.clear()

    def search(self, query: str) -> list[StoredMail]:
        """The few operators that our client uses; newest first."""
        found = list(self.mails.values())[::-1]
        if wanted := _RFC822_ID.search(query):
            found = [mail for mail in found if mail.rfc822_id == wanted.group(1)]
        if days := _NEWER.search(query):
            since = (time.time() - int(days.group(1)) * 86_400) * 1000
            found = [mail for mail in found if mail.received_ms >= since]
        for label in ("inbox", "sent"):
            if f"in:{label}" in query:
                found = [mail for mail in found if label.upper() in mail.labels]
        return found

    def search_drafts(self, query: str) -> list[str]:
        wanted = _RFC822_ID.search(query)
        return [i for i, mail in self.drafts.items() if not wanted or mail.rfc822_id == wanted.group(1)]

    def _new(self, raw: bytes, labels: set[str], thread_id: str) -> StoredMail:
        self.history_id += secrets.randbelow(9) + 1
        mail_id = secrets.token_hex(8)
        return StoredMail(mail_id, thread_id or mail_id, labels, raw, self.history_id, int(time.time() * 1000))

    def _add(self, mail: StoredMail) -> None:
        self.mails[mail.id] = mail
        self.history.append((mail.history_id, mail.id))

    def _thread_of(self, raw: bytes) -> str:
        headers = email.message_from_bytes(raw, policy=default)
        related = set(re.findall(r"<([^<>\s]+)>", f"{headers.get('references', '')} {headers.get('in-reply-to', '')}"))
        return next((mail.thread_id for mail in self.mails.values() if mail.rfc822_id in related), "")


def write_mail(
    to: str,
    sender: str,
    subject: str,
    text: str,
    *,
    name: str = "",
    in_reply_to: str = "",
    authenticated: bool = True,
    headers: dict[str, str] | None = None,
) -> bytes:
    """A customer's mail as Gmail keeps it, with Gmail's verdict on who sent it."""
    mail = EmailMessage(policy=SMTP)
    domain = parseaddr(sender)[1].rpartition("@")[2]
    verdict = "pass" if authenticated else "fail"
    mail["Authentication-Results"] = f"mx.google.com; spf={verdict}; dmarc={verdict} (p=NONE) header.from={domain}"
    mail["Return-Path"] = f"<{sender}>"
    mail["From"] = f"{name} <{sender}>" if name else sender
    mail["To"] = to
    mail["Subject"] = subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{secrets.token_hex(12)}@{domain or 'customer.example'}>"
    if in_reply_to:
        mail["In-Reply-To"] = mail["References"] = in_reply_to
    for header, value in (headers or {}).items():
        mail[header] = value
    mail.set_content(text)
    return mail.as_bytes()
