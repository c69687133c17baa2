"""Did Twilio call? The signature covers the exact public URL and every parameter, to the letter.

https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit, urlunsplit

from twilio.request_validator import RequestValidator, get_signature_algorithm

SIGNATURE_HEADER: Final = "X-Twilio-Signature"
SETTINGS_HEADER: Final = "X-Twilio-Webhooks-Signature-Settings"
Refusal = Literal["missing", "unsupported_algorithm", "wrong_body_hash", "mismatch"]


@dataclass(frozen=True, slots=True)
class SignatureSecrets:
    """`auth_tokens`: the present one and, during a rotation, the one before. `shared_keys`: key id to secret."""

    auth_tokens: tuple[str, ...]
    shared_keys: Mapping[str, str] = field(default_factory=dict)


def refuse(
    secrets: SignatureSecrets,
    url: str,
    params: Sequence[tuple[str, str]],
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> Refusal | None:
    """Why a request must not be believed, for a counter; None if Twilio signed it.

    `params` are the form's pairs as they came: doubles, blanks and surrounding whitespace kept. `headers` looks names
    up without case, as Starlette's does. `body` is for a JSON call, whose URL carries bodySHA256.
    """
    given = headers.get(SIGNATURE_HEADER)
    if not given:
        return "missing"
    settings = headers.get(SETTINGS_HEADER)
    algorithm = get_signature_algorithm(settings).upper()
    if algorithm not in ("HMAC_SHA1", "HMAC_SHA256"):
        return "unsupported_algorithm"
    hashed = parse_qs(urlsplit(url).query).get("bodySHA256")
    if hashed and body is not None:
        if not _same(hashlib.sha256(body).hexdigest(), hashed[0]):
            return "wrong_body_hash"
        params = ()
    pairs = _Pairs(params)
    genuine = False
    for secret in _candidates(secrets, settings):
        for candidate in _spellings(url):
            genuine |= _same(_compute(secret, candidate, pairs, algorithm), given)
    return None if genuine else "mismatch"


def public_url(public_base_url: str, path: str, query: str = "") -> str:
    """The address that Twilio called, whatever a proxy made of the request: the fragment is not signed."""
    return public_base_url.rstrip("/") + path + (f"?{query}" if query else "")


class _Pairs:
    """A form as twilio's validator reads one: names, and all values of a name."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getlist(self, name: str) -> list[str]:
        return self._values[name]


def _candidates(secrets: SignatureSecrets, settings: str | None) -> tuple[str, ...]:
    for part in (settings or "").split(","):
        name, _, value = part.partition("=")
        if name.strip() == "key" and value.strip() in secrets.shared_keys:
            return (secrets.shared_keys[value.strip()],)
    return secrets.auth_tokens


def _spellings(url: str) -> list[str]:
    """Twilio signs with or without the port, not always as it called."""
    parts = urlsplit(url)
    host = parts.netloc
    try:
        port = parts.port
    except ValueError:
        return [url]
    default = 443 if parts.scheme == "https" else 80
    other = f"{host}:{default}" if port is None else host.rsplit(":", 1)[0]
    return [url, urlunsplit(parts._replace(netloc=other))]


def _compute(secret: str, url: str, pairs: _Pairs, algorithm: str) -> str:
    try:
        return RequestValidator(secret).compute_signature(url, pairs, algorithm)
    except UnicodeEncodeError:
        return ""


def _same(computed: str, given: str) -> bool:
    return hmac.compare_digest(computed.encode(), given.encode("utf-8", "replace"))
