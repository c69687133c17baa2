"""Ways to reach somebody that stand in a text: links, domains, addresses, numbers, in clear and in disguise.

A reply may carry those that our documents or the company's profile carry, and no others: what a customer or a quoted mail
wrote must not come back under our name. Look-alike letters, full-width signs and invisible characters are undone to find a
contact, but only one that is spelled as ours, letter by letter, is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from core.plain_text import PlainText, plain

_HOST: Final = r"(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}"
_LINK: Final = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,12}:/{1,2}|(?:mailto|tel|sms|javascript|data|skype|whatsapp):)\S{1,2000}+", re.IGNORECASE
)
_ADDRESS: Final = re.compile(rf"[\w.+%-]{{1,64}}@{_HOST}", re.IGNORECASE)
_SPOKEN: Final = re.compile(
    r"\b[\w.-]{1,64} ?[\[({]?(?:@|\bat\b)[\])}]? ?[\w-]{1,63} ?[\[({]?\bdot\b[\])}]? ?[a-z]{2,24}\b", re.IGNORECASE
)
_BARE: Final = re.compile(rf"(?<![\w@/.-]){_HOST}(?![\w@]|\.\w)(?:/\S{{0,2000}}+)?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(?<![\w+])(?:\+|00)\d(?:[ ()./-]{0,3}+\d){6,14}(?!\w)")
_IP: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?![\w.]\w)")
# Stops of other scripts end a label as well.
_STOPS: Final = str.maketrans("。｡․．", "....")
# What stands after the dot of a file, not of a host.
_FILES: Final = frozenset(
    """csv tsv xls xlsx ods pdf png jpg jpeg gif svg webp log json yaml yml xml txt html htm doc docx exe dmg pkg deb msi
    md""".split()  # noqa: SIM905 - thirty words read better in a row
)
_TRAILING: Final = ".,;:!?)]}>\"'*_`"


@dataclass(frozen=True, slots=True)
class Contact:
    """`written` as it stands in the text, `target` where it leads."""

    written: str
    target: str


def find_contacts(text: str) -> list[Contact]:
    """Every contact of a text, in order."""
    # One stop for one stop, so that positions stay.
    seen = plain(text.translate(_STOPS))
    taken: list[tuple[int, int]] = []
    found: list[tuple[int, Contact]] = []
    for start, end, target in _matches(seen.text):
        if not any(start < other_end and other_start < end for other_start, other_end in taken):
            taken.append((start, end))
            found.append((start, Contact(_written(text, seen, start, end), target)))
    return [contact for _, contact in sorted(found, key=lambda pair: pair[0])]


def known_targets(texts: Iterable[str]) -> frozenset[str]:
    """Where the contacts of our own texts lead."""
    return frozenset().union(*(_targets_of(text) for text in texts))


@lru_cache(maxsize=4096)
def _targets_of(text: str) -> frozenset[str]:
    """The same passages come again and again; what customers write is never kept here."""
    return frozenset(contact.target for contact in find_contacts(text))


def foreign_contacts(text: str, known: frozenset[str]) -> list[Contact]:
    """Those that lead elsewhere than `known`, or are written in other letters than they seem to be."""
    return [c for c in find_contacts(text) if not _is_known(c.target, known) or not c.written.isascii()]


def _is_known(target: str, known: frozenset[str]) -> bool:
    """A subdomain of a host of ours is ours."""
    return target in known or any(target.endswith(f".{host}") for host in known if "@" not in host)


def _matches(text: str) -> Iterator[tuple[int, int, str]]:
    """Longest kinds first: a link holds a host, an address too."""
    for match in _LINK.finditer(text):
        yield match.start(), match.end(), _target_of_link(match.group().rstrip(_TRAILING))
    for match in _ADDRESS.finditer(text):
        yield match.start(), match.end(), match.group().lower()
    for match in _SPOKEN.finditer(text):
        yield match.start(), match.end(), " ".join(match.group().lower().split())
    for match in _BARE.finditer(text):
        host = match.group().split("/")[0].lower()
        if host.rsplit(".", 1)[1] not in _FILES and not _joined_sentences(match.group()):
            yield match.start(), match.end(), host.removeprefix("www.")
    for match in _NUMBER.finditer(text):
        yield match.start(), match.end(), _digits(match.group())
    for match in _IP.finditer(text):
        yield match.start(), match.end(), match.group()


def _target_of_link(link: str) -> str:
    """The host that a browser would open; of other schemes all of it."""
    try:
        host = urlsplit(link).hostname
    except ValueError:
        return link.lower()
    return host.removeprefix("www.") if host else link.lower().removeprefix("mailto:").split("?")[0]


def _joined_sentences(words: str) -> bool:
    """`Press Save.Then wait`: no host has a capital after its dot and none before."""
    left, _, right = words.rpartition(".")
    return right[:1].isupper() and not right.isupper() and not left.isupper()


def _digits(number: str) -> str:
    digits = "".join(c for c in number if c.isdigit())
    return "+" + digits.removeprefix("00")


def _written(given: str, seen: PlainText, start: int, end: int) -> str:
    return given[slice(*seen.span(start, end))]
