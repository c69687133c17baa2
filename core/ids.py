"""Identifiers. A ticket id is its own capability, so it carries 131 random bits."""

from __future__ import annotations

import re
import secrets
import string
import uuid

_ALPHABET = string.digits + string.ascii_letters
_TICKET = re.compile(r"tkt_[0-9A-Za-z]{22}")


def new_id() -> uuid.UUID:
    """A random UUID for rows and events."""
    return uuid.uuid4()


def new_ticket_id() -> str:
    """`tkt_` and 22 base-62 digits."""
    return "tkt_" + "".join(secrets.choice(_ALPHABET) for _ in range(22))


def is_ticket_id(text: str) -> bool:
    return _TICKET.fullmatch(text) is not None
