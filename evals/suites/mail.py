"""mail: whether a person wrote it, what is new in it, and that nothing breaks the reading of it.

- `{eml_b64, klass}`: `normal` is a person's mail, every other class an automatic one, which must not be answered.
- `{text | html | eml_b64, expected_reply}`: the new text. Also `expected_first_fragment`, `expected_prefix`,
  `expected_signature` (must be gone) and `facts` (`body_equals`, `body_contains`, `body_not_contains`).
- `{eml_b64, stdlib_view}`: some text comes out, and no bytes of an attachment stand in it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from email.message import EmailMessage
from typing import Any

from channels.email.parse import Mailbox, parse_mail
from core.errors import ConfigurationError
from core.models import InboundMessage
from evals.rows import BadRow, NoCriterion, Row
from evals.statistics import Figure, mean, share
from evals.suite import Case, Fault, Measured, Table, known
from evals.world import World

_A_PERSON = "normal"
_MAILBOX = Mailbox("support@mailbox.invalid")
# Base64 of an attachment is one long word; no customer writes such a line.
_BYTES = re.compile(r"(?:[A-Za-z0-9+/]{60,}\s+){3}")


@dataclass(frozen=True, slots=True)
class MailCase(Case):
    """One of `klass`, `expected` (with how to compare) or neither, where only the reading itself is judged."""

    raw: bytes
    klass: str | None = None
    expected: str | None = None
    right: Callable[[str], bool] | None = None


class Mail:
    name = "mail"

    def read(self, row: Row) -> MailCase:
        raw, shown = _mail_of(row)
        klass = row.find("klass", str)
        if klass:
            return MailCase(row.id, row.place, shown, raw, klass=klass)
        expected, right = _criterion(row)
        if right is None and "stdlib_view" not in row.fields:
            raise NoCriterion("give `klass`, `expected_reply`, another expectation or `stdlib_view`")
        return MailCase(row.id, row.place, shown, raw, expected=expected, right=right)

    def dossier_cases(self, world: World) -> list[MailCase]:
        raise ConfigurationError("mail needs --dataset: the dossier holds no raw mail")

    async def prepare(self, world: World, cases: Sequence[MailCase]) -> None:
        return

    async def ask(self, world: World, case: MailCase) -> InboundMessage | None:
        """None where the mail could not be read: here that is the parser's fault, and judged."""
        try:
            return parse_mail(case.raw, _MAILBOX, provider_message_id=case.id)
        except Exception:
            return None

    def measure(self, answered: Sequence[tuple[MailCase, InboundMessage | None]]) -> Measured:
        sorted_ = [(c, m) for c, m in answered if c.klass]
        trimmed = [(c, m.text if m else "") for c, m in answered if c.right]
        figures = known(
            automatic_answered=share(_by_person(m) for c, m in sorted_ if c.klass != _A_PERSON),
            human_suppressed=share(not _by_person(m) for c, m in sorted_ if c.klass == _A_PERSON),
            exact=share(c.right(text) for c, text in trimmed if c.right),
            similarity=mean(_similarity(c.expected, text) for c, text in trimmed if c.expected is not None),
            readable=share(_readable(m) for _, m in answered),
        )
        figures |= _by_source(trimmed)
        faults = [
            Fault(c, f"{c.klass}, judged {_rule(m)}") for c, m in sorted_ if _by_person(m) != (c.klass == _A_PERSON)
        ]
        faults += [Fault(c, f"read as {text[:300]!r}") for c, text in trimmed if c.right and not c.right(text)]
        faults += [Fault(c, "no text, or bytes of an attachment in it") for c, m in answered if not _readable(m)]
        return Measured(figures, faults, [_confusion(sorted_)] if sorted_ else [])


def _mail_of(row: Row) -> tuple[bytes, str]:
    """The mail's bytes; a bare text or page is put into a mail first."""
    encoded = row.find("eml_b64", str)
    if encoded is not None:
        try:
            raw = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise BadRow(f"{row.place}: `eml_b64` is not base64 ({error})") from error
        return raw, raw[:400].decode("utf-8", "replace")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "someone@customer.invalid", _MAILBOX.address, "A question"
    page = row.find("html", str)
    text = page if page is not None else row.text("text")
    mail.set_content(text, subtype="html" if page is not None else "plain")
    return mail.as_bytes(), text[:400]


def _criterion(row: Row) -> tuple[str | None, Callable[[str], bool] | None]:
    """The expected text, where there is one, and what makes a reply right."""
    expected = row.find("expected_reply", str)
    expected = row.find("expected_first_fragment", str) if expected is None else expected
    if expected is not None:
        blind = _unspaced if "whitespace" in str(row.fields.get("match")) else str.strip
        return expected, lambda text: blind(text) == blind(expected)
    if prefix := row.find("expected_prefix", str):
        return None, lambda text: text.startswith(prefix.strip())
    if signature := row.find("expected_signature", str):
        lines = [line.removeprefix("#sig#").strip() for line in signature.splitlines()]
        return None, lambda text: not any(line and line in text for line in lines)
    facts = row.find("facts", dict)
    return (None, lambda text: _has(facts, text)) if facts else (None, None)


def _has(facts: dict[str, Any], text: str) -> bool:
    equal = facts.get("body_equals")
    return (
        (equal is None or text.strip() == equal.strip())
        and all(piece in text for piece in facts.get("body_contains") or ())
        and not any(piece in text for piece in facts.get("body_not_contains") or ())
    )


def _unspaced(text: str) -> str:
    return "".join(text.split())


def _similarity(expected: str, text: str) -> float:
    return SequenceMatcher(None, expected.split(), text.split(), autojunk=False).ratio()


def _by_person(message: InboundMessage | None) -> bool:
    return message is None or message.automatic is None


def _rule(message: InboundMessage | None) -> str:
    return "unreadable" if message is None else message.automatic or "a person"


def _readable(message: InboundMessage | None) -> bool:
    return message is not None and bool(message.text.strip()) and not _BYTES.search(message.text)


def _by_source(trimmed: Sequence[tuple[MailCase, str]]) -> dict[str, Figure]:
    """The prefix of a case's id names whose collection it is from."""
    sources = sorted({case.id.partition("-")[0] for case, _ in trimmed})
    if len(sources) < 2:
        return {}
    return known(
        **{
            f"exact.{source}": share(c.right(t) for c, t in trimmed if c.right and c.id.startswith(f"{source}-"))
            for source in sources
        }
    )


def _confusion(sorted_: Sequence[tuple[MailCase, InboundMessage | None]]) -> Table:
    cells = Counter((case.klass or "", _rule(message)) for case, message in sorted_)
    return Table(
        "Class and what fired", ("class", "judged by", "mails"), tuple((*k, n) for k, n in sorted(cells.items()))
    )
