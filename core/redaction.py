"""Personal data and secrets masked in a text: for logs, traces, and for what a model's provider sees."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_EMAIL: Final = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{2,24}")
# Keys as their makers write them, tokens after a word that names them, and signed tokens.
_SECRET: Final = re.compile(
    r"\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|glpat|xox[abprs]|ya29|AKIA|ASIA|AIza|whsec|fte)[-_.]?[A-Za-z0-9_-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|(?<=://)[^\s/:@]{1,100}:[^\s/@]{1,200}(?=@)"
    r"|(?i:(?<=bearer )|(?<=basic )|(?<=password=)|(?<=password: )|(?<=api[_-]key=)|(?<=token=)|(?<=secret=))[^\s\"'&,;]{6,}"
)
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD: Final = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_PHONE: Final = re.compile(
    r"(?<![\w.-])(?:\+|00)[1-9](?:[ ()./-]{0,3}\d){6,14}(?![\w-])"
    r"|(?<![\w.-])\(?0\d{2,5}\)?(?:[ /-]{1,3}\d{2,8}){1,4}(?![\w-])"
    r"|(?<![\w.-])\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"
)


def redact(text: str) -> str:
    """The text with `[email]`, `[secret]`, `[iban]`, `[card]` and `[phone]` in place of such things."""
    text = _SECRET.sub("[secret]", text)
    text = _EMAIL.sub("[email]", text)
    text = _IBAN.sub(lambda m: "[iban]" if _is_iban(m.group()) else m.group(), text)
    text = _CARD.sub(lambda m: "[card]" if _is_card(m.group()) else m.group(), text)
    return _PHONE.sub("[phone]", text)


def redact_all(value: Any) -> Any:
    """The same in every text of a nested value; the keys stay."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {key: redact_all(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact_all(inner) for inner in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))


def _is_iban(text: str) -> bool:
    """ISO 13616: the first four characters moved to the end, letters as numbers, modulo 97."""
    letters = text.replace(" ", "")
    return int("".join(str(int(c, 36)) for c in letters[4:] + letters[:4])) % 97 == 1


def _is_card(text: str) -> bool:
    """ISO/IEC 7812: the Luhn sum. A barcode or order number passes one time in ten, and is then masked for nothing."""
    digits = [int(c) for c in reversed(text) if c.isdigit()]
    doubled = (d * 2 - 9 * (d > 4) for d in digits[1::2])
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0
