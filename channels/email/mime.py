"""Reading MIME as it comes: broken charsets, wrong headers, nests of parts. Nothing here raises on bad mail."""

from __future__ import annotations

import base64
import binascii
import email
import email.policy
import quopri
import re
from collections.abc import Iterator
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.utils import getaddresses
from typing import Any, Final

# What the standard library raises on headers and bodies that break the rules; it promises nothing here.
BROKEN: Final = (
    AttributeError, IndexError, KeyError, LookupError, MessageError, RecursionError, TypeError, UnicodeError, ValueError,
)  # fmt: skip
MAX_PARTS: Final = 200
_ADDRESS: Final = re.compile(r"[^@\s,;:<>\"()]+@[^@\s,;:<>\"()]+")
_ENCODED_WORD = re.compile(r"=\?([\w.:-]{2,40})\?([bBqQ])\?([^?\s]*)\?=")
_BOUNDARY = re.compile(r"^--([^\s\"][^\r\n\"]{4,68}[^\s\"])[ \t]*\r?$", re.M)
# What says "GB2312" or "ASCII" is written in their larger relatives more often than not.
_RELATIVES: Final = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "ks_c_5601-1987": "cp949", "shift_jis": "cp932",
                     "iso-8859-1": "cp1252", "x-sjis": "cp932", "unicode-1-1-utf-7": "utf-7"}  # fmt: skip
_META_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.I)


def read_mail(raw: bytes) -> Message:
    """By the modern policy; by the old one where that fails."""
    try:
        return email.message_from_bytes(raw, policy=email.policy.default)
    except BROKEN:
        return email.message_from_bytes(raw, policy=email.policy.compat32)


def header(message: Message, name: str) -> str:
    """A header on one line, decoded as far as it goes; empty if it is not there."""
    values = headers(message, name)
    return values[0] if values else ""


def headers(message: Message, name: str) -> list[str]:
    """All values of a header, the topmost first."""
    return [_one_line(value) for value in _values(message, name)]


def addresses(message: Message, name: str) -> list[tuple[str, str]]:
    """(display name, address) of an address header, addresses in lower case; only what looks like an address."""
    found: list[tuple[str, str]] = []
    for value in _values(message, name):
        found += _structured(value) or getaddresses([_one_line(value)])
    clean = [(name.strip(), address.strip().strip("<>").lower()) for name, address in found]
    return [(name, address) for name, address in clean if _ADDRESS.fullmatch(address)]


def leaves(message: Message) -> Iterator[Message]:
    """The parts that hold something, in order; not the parts of a mail that is attached."""
    seen = 0
    stack = [message]
    while stack and seen < MAX_PARTS:
        part = stack.pop()
        seen += 1
        children = _children(part) if part.get_content_maintype() == "multipart" else []
        if children:
            stack += reversed(children)
        else:
            yield part


def payload_bytes(part: Message) -> bytes:
    try:
        data = part.get_payload(decode=True)
    except BROKEN:
        data = None
    if isinstance(data, bytes):
        return data
    payload = part.get_payload()
    return payload.encode("utf-8", "replace") if isinstance(payload, str) else b""


def size_of(part: Message) -> int:
    try:
        return len(part.as_bytes()) if part.get_content_maintype() == "message" else len(payload_bytes(part))
    except BROKEN:
        return 0


def payload_text(part: Message) -> str:
    """Text of a part: the declared charset if it fits, else what fits, else what is left."""
    data = payload_bytes(part)
    candidates = [_charset(part) or ""]
    if part.get_content_subtype() == "html" and (meta := _META_CHARSET.search(data[:2000])):
        candidates.append(meta.group(1).decode("ascii", "replace"))
    return decode(data, candidates)


def decode(data: bytes, charsets: list[str]) -> str:
    known = [_RELATIVES.get(charset.lower(), charset.lower()) for charset in charsets if charset]
    for charset in [*known, "utf-8"]:
        try:
            return data.decode(charset)
        except (LookupError, ValueError):
            continue
    for charset in known:
        try:
            if charset not in ("us-ascii", "ascii", "utf-8", "utf8"):
                return data.decode(charset, "replace")
        except (LookupError, ValueError):
            continue
    return data.decode("cp1252", "replace")


def file_name(part: Message) -> str | None:
    try:
        name = part.get_filename()
    except BROKEN:
        return None
    return _one_line(name)[:200] if name else None


def disposition(part: Message) -> str:
    try:
        return (part.get_content_disposition() or "").lower()
    except BROKEN:
        return ""


def parameter(message: Message, name: str) -> str:
    """A parameter of Content-Type in lower case."""
    try:
        value = message.get_param(name)
    except BROKEN:
        return ""
    return str(value[-1] if isinstance(value, tuple) else value or "").lower()


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except BROKEN:
        return None


def _values(message: Message, name: str) -> list[Any]:
    try:
        return list(message.get_all(name) or [])
    except BROKEN:
        raw = message.raw_items() if isinstance(message, EmailMessage) else []
        return [value for key, value in raw if key.lower() == name.lower()]


def _structured(value: Any) -> list[tuple[str, str]]:
    try:
        parsed: tuple[Address, ...] = value.addresses
        return [(address.display_name, address.addr_spec) for address in parsed]
    except BROKEN:
        return []


def _one_line(value: Any) -> str:
    try:
        text = str(value)
    except BROKEN:
        return ""
    text = _ENCODED_WORD.sub(_encoded_word, text)
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
    return " ".join(text.split())


def _encoded_word(match: re.Match[str]) -> str:
    """A word that the standard library would not decode: a wrong charset, or padding that is missing."""
    charset, encoding, text = match.groups()
    try:
        padded = text + "=" * (-len(text) % 4)
        data = base64.b64decode(padded) if encoding in "bB" else quopri.decodestring(text.encode(), header=True)
    except (binascii.Error, ValueError):
        return match.group()
    return decode(data, [charset])


def _children(part: Message) -> list[Message]:
    """The parts of a multipart, also where its header names another boundary than its body uses."""
    payload = part.get_payload()
    if isinstance(payload, str) and (found := _BOUNDARY.search(payload)):
        mended = f'Content-Type: multipart/mixed; boundary="{found.group(1)}"\n\n{payload}'
        payload = email.message_from_bytes(mended.encode("utf-8", "surrogateescape"), policy=part.policy).get_payload()
    return [child for child in payload if isinstance(child, Message)] if isinstance(payload, list) else []
