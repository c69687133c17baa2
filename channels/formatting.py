"""The manners of the channels: greeting, length, sources, signature. What comes out is stored and sent as it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from channels.text import Unit, break_long, leading, render, units_of, utf16_units, words
from core.models import FormattedReply, ReplySentence
from core.vocabulary import Channel

EMAIL_WORDS: Final = 500
WEB_FORM_WORDS: Final = 300
WHATSAPP_PREFERRED: Final = 300
# Twilio refuses a body above 1,600 (error 21617); the rest is room for "(2/3) " and for how others count.
WHATSAPP_PART_UNITS: Final = 1_500
_PART_ROOM: Final = 10
_SOURCES: Final = 5
_TITLE_WORDS: Final = 20
_SUBJECT_LENGTH: Final = 500
_RE = re.compile(r"^(?:\s*(?:re|aw|sv|antw|fwd?|wg)\s*(?:\[\d+\])?\s*:)+\s*", re.I)
# A name is put into mail that we sign, so only what looks like a name: no links, not even a bare `evil.example`, no sentences.
_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '’\-]|\.(?= |$))*")


class Profile(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def signature(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Manners:
    """What a channel adds in one language: greetings with and without a name, closings."""

    dear: str
    hello: str
    nameless: str
    hi: str
    regards: str
    wishes: str
    reference: str


MANNERS: Final = {
    "en": Manners("Dear {name},", "Hello {name},", "Hello,", "Hi {name}! ", "Kind regards,", "Best wishes,", "Reference"),
    "de": Manners(
        "Guten Tag {name},", "Hallo {name},", "Guten Tag,", "Hallo {name}! ", "Mit freundlichen Grüßen", "Viele Grüße", "Vorgang"
    ),
    "fr": Manners(
        "Bonjour {name},", "Bonjour {name},", "Bonjour,", "Bonjour {name} ! ", "Cordialement,", "Cordialement,", "Référence"
    ),
    "es": Manners(
        "Hola, {name}:", "Hola, {name}:", "Hola:", "¡Hola, {name}! ", "Un cordial saludo,", "Un saludo,", "Referencia"
    ),
    "it": Manners(
        "Buongiorno {name},", "Buongiorno {name},", "Buongiorno,", "Salve {name}! ", "Cordiali saluti,", "Un saluto,", "Riferimento"
    ),
    "pt": Manners(
        "Olá {name},", "Olá {name},", "Olá,", "Olá {name}! ", "Com os melhores cumprimentos,", "Cumprimentos,", "Referência"
    ),
    "nl": Manners(
        "Beste {name},", "Hallo {name},", "Goedendag,", "Hallo {name}! ", "Met vriendelijke groet,", "Groeten,", "Referentie"
    ),
}  # fmt: skip


class ChannelFormatter:
    """`core.ports.Formatter`. Leaves out the last sentences where a grounded reply is too long, never part of one.

    A reply without any grounded sentence is a notice or a person's own words: on WhatsApp all of it is kept.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile

    def format(
        self,
        channel: Channel,
        sentences: Sequence[ReplySentence],
        *,
        customer_name: str | None,
        subject: str | None,
        ticket_id: str,
        citations: Sequence[Mapping[str, str]] = (),
        first_reply: bool = True,
        language: str = "en",
    ) -> FormattedReply:
        units, name, manners = units_of(sentences), _greetable(customer_name), MANNERS.get(language, MANNERS["en"])
        if channel == "whatsapp":
            parts = _whatsapp(units, manners.hi.format(name=name.split()[0]) if name and first_reply else "", citations)
            return FormattedReply(channel, "\n\n".join(parts), parts)
        if channel == "email":
            text = self._email(units, name, citations, ticket_id if first_reply else None, manners)
            return FormattedReply(channel, text, (text,), reply_subject(subject))
        text = self._web_form(units, name, manners)
        return FormattedReply(channel, text, (text,))

    def _email(
        self,
        units: Sequence[Unit],
        name: str | None,
        citations: Sequence[Mapping[str, str]],
        ticket_id: str | None,
        manners: Manners,
    ) -> str:
        after = ["If anything is still unclear, please reply to this email."] if any(u.grounded for u in units) else []
        if sources := _source_lines(citations):
            after.append("Sources:\n" + "\n".join(sources))
        after.append(_closing(manners.regards, self._profile.signature))
        if ticket_id:
            after.append(f"{manners.reference}: {ticket_id}")
        return _letter(manners.dear.format(name=name) if name else manners.nameless, units, after, EMAIL_WORDS)

    def _web_form(self, units: Sequence[Unit], name: str | None, manners: Manners) -> str:
        after = [f"{manners.wishes}\n{self._profile.name} Support"]
        return _letter(manners.hello.format(name=name) if name else manners.nameless, units, after, WEB_FORM_WORDS)


def reply_subject(subject: str | None) -> str:
    """`Re: ` and the customer's subject, on one line, the prefix once."""
    bare = _RE.sub("", " ".join(_printable(subject or "").split()))
    if len(bare) > _SUBJECT_LENGTH:
        bare = bare[:_SUBJECT_LENGTH].rsplit(" ", 1)[0]
    return f"Re: {bare or 'Your message'}"


def _letter(greeting: str, units: Sequence[Unit], after: Sequence[str], limit: int) -> str:
    room = limit - sum(words(block) for block in (greeting, *after))

    def fits(text: str) -> bool:
        return words(text) <= room

    # Part of a person's long sentence is better than none of it; part of a proved one was never proved.
    pieces = [piece for unit in units for piece in ([unit] if unit.grounded else break_long([unit], fits))]
    body = render(leading(pieces, fits))
    return "\n\n".join(block for block in (greeting, body, *after) if block)


def _whatsapp(units: Sequence[Unit], greeting: str, citations: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    url = next((c["url"] for c in citations if c.get("url")), None)
    substance = [unit for unit in units if unit.grounded]
    if not substance or _short(_with_link(greeting + render(units), url, "More")):
        return _split(greeting, units, url)
    for start, link in ((greeting, url), ("", url), ("", None)):

        def fits(text: str, start: str = start, link: str | None = link) -> bool:
            return _short(_with_link(start + text, link, "Full answer"))

        if chosen := leading(substance, fits):
            if link is None:
                chosen = substance[: _end_of_steps(substance, len(chosen))]
            label = "More" if len(chosen) == len(substance) else "Full answer"
            return _split(start, chosen, link, label)
    return _split("", substance[: _end_of_steps(substance, 1)], url)


def _end_of_steps(units: Sequence[Unit], end: int) -> int:
    """Half a procedure without a link to the rest is worse than a longer message."""
    while end < len(units) and units[end].item:
        end += 1
    return end


def _split(greeting: str, units: Sequence[Unit], url: str | None, label: str = "More") -> tuple[str, ...]:
    """One message, or several numbered ones cut between sentences."""
    text = _with_link(greeting + render(units), url, label)
    if _sendable(text):
        return (text,)

    def fits(text: str) -> bool:
        return _sendable(text, room=_PART_ROOM)

    units = break_long([Unit(greeting.strip(), " ", False, False), *units] if greeting else units, fits)
    if url and fits(line := f"{label}: {url}"):
        units.append(Unit(line, "\n", False, False))
    parts: list[str] = []
    while units:
        part = leading(units, fits) or [units[0]]
        units = units[len(part) :]
        parts.append(render(part))
    return tuple(f"({number}/{len(parts)}) {part}" for number, part in enumerate(parts, 1))


def _with_link(text: str, url: str | None, label: str) -> str:
    return f"{text}\n{label}: {url}" if url else text


def _short(text: str) -> bool:
    return len(text) <= WHATSAPP_PREFERRED


def _sendable(text: str, room: int = 0) -> bool:
    return utf16_units(text) <= WHATSAPP_PART_UNITS - room


def _source_lines(citations: Sequence[Mapping[str, str]]) -> list[str]:
    lines = []
    for citation in citations:
        title, url = " ".join(citation.get("title", "").split()[:_TITLE_WORDS]), citation.get("url", "")
        if (title or url) and (line := f"- {title}: {url}" if title and url else f"- {title or url}") not in lines:
            lines.append(line)
    return lines[:_SOURCES]


def _closing(word: str, signature: str) -> str:
    signature = signature.strip()
    return signature if "\n" in signature else f"{word}\n{signature}".strip()


def _greetable(name: str | None) -> str | None:
    """The customer's name if it can stand in a greeting, else None."""
    name = " ".join(_printable(name or "").split())
    return name if len(name) <= 50 and words(name) <= 5 and _NAME.fullmatch(name) else None


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
