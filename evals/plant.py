"""Attacks inside mails, as rows of the suites `guardrail` and `injection`.

    python -m evals.plant ATTACKS MAILS OUT

ATTACKS are rows with a `text`, MAILS rows with `subject` and `body`. OUT gets every mail with every attack at its end, every
mail as it is (`clean`), and every attack in what else of a mail is read: quoted below a question, forwarded without a word,
and as the name of an attached file. What the product would read of such a mail is the row's text.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from channels.email.parse import Mailbox, parse_mail
from evals.injection import QUESTION
from evals.rows import Row, read_rows

_MAILBOX: Final = Mailbox("support@example.org")


def plant(attacks: tuple[Row, ...], mails: tuple[Row, ...]) -> Iterator[dict[str, str]]:
    for mail in mails:
        yield {"id": f"{mail.id}-clean", "text": _letter(mail), "label": "clean", "base": mail.id}
    for attack in attacks:
        text = attack.text("text")
        for mail in mails:
            yield _row(attack, mail.id, f"{_letter(mail)}\n\n{text}")
        for base, raw in (("quoted", _quoted(text)), ("forwarded", _forwarded(text)), ("attached", _attached(text))):
            yield _row(attack, base, parse_mail(raw, _MAILBOX, provider_message_id=attack.id).text)


def _row(attack: Row, base: str, text: str) -> dict[str, str]:
    """`position` is what the suites group by."""
    position = base if base in ("quoted", "forwarded", "attached") else "body"
    return {
        "id": f"{base}-{attack.id}",
        "text": text,
        "attack": attack.text("text"),
        "label": "injected",
        "base": base,
        "position": position,
    }


def _letter(mail: Row) -> str:
    return f"SUBJECT: {mail.text('subject')}\n{mail.text('body')}"


def _quoted(attack: str) -> bytes:
    lines = "\n".join(f"> {line}" for line in attack.strip().splitlines())
    return _mail(f"{QUESTION}\n\nOn Mon, 3 Mar 2025 at 10:00, Eve <eve@example.org> wrote:\n{lines}\n").as_bytes()


def _forwarded(attack: str) -> bytes:
    return _mail(f"---------- Forwarded message ---------\nFrom: Eve <eve@example.org>\n\n{attack}\n").as_bytes()


def _attached(attack: str) -> bytes:
    mail = _mail("\n")
    name = " ".join(attack.split())[:200]
    mail.add_attachment(b"x", maintype="application", subtype="octet-stream", filename=f"{name}.bin")
    return mail.as_bytes()


def _mail(text: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.org>", _MAILBOX.address, "Labels"
    mail.set_content(text)
    return mail


def main() -> None:
    parser = argparse.ArgumentParser(description="Put attacks into mails.")
    parser.add_argument("attacks", type=Path)
    parser.add_argument("mails", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    rows = plant(read_rows(given.attacks).rows, read_rows(given.mails).rows)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
