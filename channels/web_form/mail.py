"""The copy by mail of a reply to the form. Whoever typed the address may not be its owner, so the form's words stay out."""

from __future__ import annotations

from collections.abc import Sequence


def copy_subject(company: str) -> str:
    """Never the form's subject: it would carry a stranger's words into somebody's inbox under our name."""
    return f"Your question to {company}"


def copy_text(parts: Sequence[str], company: str, ticket_id: str, public_base_url: str | None) -> str:
    """The reply, where to read it, and what to think of it if it was not you."""
    footer = f"This answers a question sent through the support form of {company}."
    if public_base_url:
        footer += f"\nYour ticket: {public_base_url.rstrip('/')}/support/ticket/{ticket_id}"
    footer += "\nIf that was not you, somebody typed your address: you can ignore this mail."
    return "\n\n".join([*parts, footer])
