"""A WhatsApp message as Twilio posts it, understood: text, and polite names for what is not text.

https://www.twilio.com/docs/messaging/guides/webhook-request
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from mimetypes import guess_extension
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from core.consent import ConsentWord, consent_word
from core.errors import InvalidInbound
from core.models import InboundMessage, Sender

MAX_MEDIA: Final = 10
_PHONE = re.compile(r"\+[1-9]\d{5,14}")
_USER_ID = re.compile(r"[A-Za-z]{2}\.[A-Za-z0-9.]{5,125}")
_KINDS: Final = {"image": "picture", "audio": "voice message", "video": "video", "text/vcard": "contact card"}
_KEPT: Final = {
    "OriginalRepliedMessageSid": "replied_to",
    "ExternalUserId": "external_user_id",
    "ParentExternalUserId": "parent_external_user_id",
    "ProfileUsername": "profile_username",
    "WaId": "wa_id",
    "MessageType": "message_type",
    "ButtonPayload": "button_payload",
    "ListId": "list_id",
    "ReferralSourceUrl": "referral_url",
    "ReferralHeadline": "referral_headline",
    "To": "to",
    "OptOutType": "opt_out_type",
}
_CONSENT_RULES: Final[dict[ConsentWord, str]] = {"stop": "opt_out", "start": "opt_in", "help": "help"}
# Not of Twilio's form: when Twilio got a message that its list told us of, and not its webhook.
CREATED: Final = "DateCreated"


def event_body(params: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The form as one value a name, the first, without NUL, which PostgreSQL cannot store."""
    body: dict[str, str] = {}
    for name, value in params:
        body.setdefault(name.replace("\x00", ""), value.replace("\x00", ""))
    return body


def message_key(body: Mapping[str, str], raw: bytes = b"") -> str:
    """What makes a message the same one, however often and by whichever way it comes."""
    try:
        return message_sid(body)
    except InvalidInbound:
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def sender_key(body: Mapping[str, str]) -> str:
    """What keeps one sender's messages in order, without being an address."""
    try:
        address = sender_address(body)[1]
    except InvalidInbound:
        address = ""
    return f"whatsapp:{hashlib.sha256(address.encode()).hexdigest()[:32]}"


def message_sid(params: Mapping[str, Any]) -> str:
    """The id that Twilio repeats when it delivers the same message again. Raises InvalidInbound."""
    sid = params.get("MessageSid") or params.get("SmsMessageSid") or params.get("SmsSid")
    if not sid:
        raise InvalidInbound("A WhatsApp message needs a MessageSid")
    return str(sid)


def sender_address(params: Mapping[str, Any]) -> tuple[Literal["phone", "whatsapp_user_id"], str]:
    """Who wrote: a phone number, or a user id where WhatsApp hides it. Raises InvalidInbound."""
    address = str(params.get("From", "")).removeprefix("whatsapp:").strip()
    if _PHONE.fullmatch(address):
        return "phone", address
    for user_id in (address, str(params.get("ExternalUserId", ""))):
        if _USER_ID.fullmatch(user_id):
            return "whatsapp_user_id", user_id
    raise InvalidInbound("A WhatsApp message needs a sender: From as whatsapp:+E164, or a user id")


def read_message(params: Mapping[str, Any], received_at: datetime) -> InboundMessage:
    """A message webhook as a message. The signature was checked at the edge, so the sender is verified."""
    form = event_body((name, str(value)) for name, value in params.items())
    kind, address = sender_address(form)
    attachments = tuple(_media(form))
    text = "\n".join(line for line in _lines(form, attachments) if line)
    consent = consent_word(form.get("OptOutType") or form.get("Body", ""))
    headers = {ours: form[theirs] for theirs, ours in _KEPT.items() if form.get(theirs)}
    if consent:
        headers["consent"] = consent
    return InboundMessage(
        channel="whatsapp",
        sender=Sender(kind, address, "verified", form.get("ProfileName", "").strip() or None),
        text=text or "[The customer sent an empty message.]",
        full_text=form.get("Body", "") or text,
        provider_message_id=message_sid(form),
        thread_key=address,
        sent_at=_created_at(form) or received_at,
        automatic=_CONSENT_RULES[consent] if consent else None,
        attachments=attachments,
        headers=headers,
    )


def _created_at(form: Mapping[str, str]) -> datetime | None:
    try:
        return datetime.fromisoformat(form[CREATED])
    except (KeyError, ValueError):
        return None


def _lines(form: Mapping[str, str], attachments: tuple[Mapping[str, Any], ...]) -> Iterator[str]:
    body = form.get("Body", "").strip()
    yield body or form.get("ButtonText", "").strip() or form.get("ListTitle", "").strip()
    if form.get("FlowData"):
        yield "[The customer filled in a form.]"
    if form.get("Latitude") and form.get("Longitude"):
        place = ", ".join(form[name].strip() for name in ("Label", "Address") if form.get(name))
        yield f"[The customer shared a location: {place or 'no name'} ({form['Latitude']}, {form['Longitude']}).]"
    if form.get("MessageType") == "contacts" and not attachments:
        yield "[The customer shared a contact card.]"
    for media in attachments:
        yield f"[The customer sent {_article(media['kind'])}.]"


def _media(form: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    count = form.get("NumMedia", "0")
    for index in range(min(int(count) if count.isascii() and count.isdecimal() else 0, MAX_MEDIA)):
        url, content_type = form.get(f"MediaUrl{index}", ""), form.get(f"MediaContentType{index}", "").lower()
        kind = "sticker" if form.get("MessageType") == "sticker" else _kind(content_type)
        name = f"{kind.replace(' ', '-')}-{index + 1}{guess_extension(content_type) or ''}"
        yield {"name": name, "content_type": content_type, "kind": kind, "url": url, "fetchable": is_twilio_host(url)}


def is_twilio_host(url: str) -> bool:
    """Media is only ever fetched from Twilio itself: any other address in a webhook is somebody's trap."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" and (host == "twilio.com" or host.endswith(".twilio.com"))


def _kind(content_type: str) -> str:
    return _KINDS.get(content_type) or _KINDS.get(content_type.partition("/")[0], "document")


def _article(kind: str) -> str:
    return f"a {kind}"
