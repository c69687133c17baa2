"""Pub/Sub pushes of the mailbox watch: the body's shape, and the proof that Google sent it.

https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import jwt
from jwt import PyJWK, PyJWKClient

from core.errors import InvalidInbound

ISSUERS: Final = ["https://accounts.google.com", "accounts.google.com"]
_REQUIRED: Final = ["aud", "iss", "exp", "iat", "email", "email_verified"]
Refusal = Literal["missing", "unknown_key", "invalid_token", "wrong_account", "keys_unavailable"]


@dataclass(frozen=True, slots=True)
class Push:
    """A hint that something happened in a mailbox; never more than a hint."""

    mailbox: str
    history_id: int
    message_id: str
    subscription: str


@dataclass(frozen=True, slots=True)
class PushConfig:
    audience: str
    service_account: str
    jwks_url: str = "https://www.googleapis.com/oauth2/v3/certs"


def decode_push(body: bytes | Mapping[str, Any]) -> Push:
    """The wrapped push body, with the Gmail notification inside it. Raises InvalidInbound."""
    try:
        outer = json.loads(body) if isinstance(body, bytes) else body
        message = outer["message"]
        data = str(message["data"])
        inner = json.loads(base64.b64decode(data.replace("-", "+").replace("_", "/") + "=" * (-len(data) % 4)))
        mailbox, history_id = inner["emailAddress"], inner["historyId"]
        message_id = message.get("messageId") or message["message_id"]
        subscription = outer["subscription"]
    except (KeyError, TypeError, AttributeError, ValueError, binascii.Error, RecursionError) as error:
        raise InvalidInbound(
            "A push is {message: {data, messageId}, subscription} with a Gmail notification"
        ) from error
    texts = all(isinstance(value, str) and value for value in (mailbox, message_id, subscription))
    if not texts or isinstance(history_id, bool) or not str(history_id).isascii() or not str(history_id).isdecimal():
        raise InvalidInbound("A Gmail notification is {emailAddress, historyId}")
    return Push(mailbox.lower(), int(history_id), message_id, subscription)


class PushVerifier:
    """Checks the OIDC token of a push. One instance a process: it keeps Google's keys."""

    def __init__(self, config: PushConfig, keys: SigningKeys | None = None) -> None:
        self._config = config
        self._keys = keys or SigningKeys(config.jwks_url)

    async def refuse(self, token: str) -> Refusal | None:
        """Why a push must not be believed, for a counter; None if Google signed it for us. `token` is the bearer's."""
        key_id = _key_id(token)
        if key_id is None:
            return "invalid_token" if token else "missing"
        key = await self._keys.find(key_id)
        if key is None:
            return "unknown_key" if self._keys.known else "keys_unavailable"
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._config.audience,
                issuer=ISSUERS,
                leeway=60,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError:
            return "invalid_token"
        is_ours = claims["email"] == self._config.service_account and claims["email_verified"] is True
        return None if is_ours else "wrong_account"


class SigningKeys:
    """Google's keys, fetched seldom: an unknown key id, however often it comes, costs one fetch in `refresh_gap_s`.

    Where a fetch fails, the keys that we have stay good.
    """

    def __init__(
        self,
        url: str,
        *,
        lifespan_s: float = 3600.0,
        refresh_gap_s: float = 30.0,
        timeout_s: float = 5.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=timeout_s)
        self._lifespan_s, self._refresh_gap_s, self._now = lifespan_s, refresh_gap_s, now
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    @property
    def known(self) -> int:
        return len(self._keys)

    async def find(self, key_id: str) -> PyJWK | None:
        if self._is_stale(key_id):
            async with self._lock:
                if self._is_stale(key_id):
                    await self._refresh()
        return self._keys.get(key_id)

    def _is_stale(self, key_id: str) -> bool:
        now = self._now()
        wanted = key_id not in self._keys or now - self._fetched_at > self._lifespan_s
        return wanted and now - self._tried_at >= self._refresh_gap_s

    async def _refresh(self) -> None:
        self._tried_at = self._now()
        try:
            keys = await asyncio.to_thread(self._client.get_signing_keys)
        except (jwt.PyJWTError, ValueError, OSError):
            return
        self._keys = {key.key_id: key for key in keys if key.key_id}
        self._fetched_at = self._now()


def _key_id(token: str) -> str | None:
    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.PyJWTError:
        return None
