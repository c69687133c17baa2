"""Google's side of proof: OAuth access tokens for the mailbox, signed OIDC tokens on pushes, and the keys to check them."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route


@dataclass(slots=True)
class GoogleLogin:
    """`accept_refresh` False: the owner withdrew permission. `require_token` False: any caller may use the API."""

    client_id: str = "fake-client"
    client_secret: str = "fake-secret"
    refresh_token: str = "fake-refresh-token"
    audience: str = "https://support.example/webhooks/gmail"
    service_account: str = "gmail-push@fake-project.iam.gserviceaccount.com"
    token_lifetime_s: int = 3600
    accept_refresh: bool = True
    require_token: bool = True
    key_fetches: int = 0
    refreshes: int = 0
    asked: int = 0
    _tokens: dict[str, float] = field(default_factory=dict)
    _codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    _keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rotate_key()

    def rotate_key(self) -> str:
        """A new signing key; the old ones stay published, as Google does it for a while."""
        key_id = secrets.token_hex(8)
        self._keys[key_id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return key_id

    def push_token(self, **changes: Any) -> str:
        """The token of a push; `changes` make it wrong on purpose."""
        now = int(time.time())
        claims = {
            "aud": self.audience, "azp": "1", "email": self.service_account, "email_verified": True, "sub": "1",
            "iss": "https://accounts.google.com", "iat": now, "exp": now + 3600,
        } | changes  # fmt: skip
        key_id, key = next(reversed(self._keys.items()))
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id})

    def allows(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return not self.require_token or (scheme.lower() == "bearer" and self._tokens.get(token, 0) > time.time())

    def forget_tokens(self) -> None:
        """Access tokens end with the permission that they came from."""
        self._tokens.clear()

    def routes(self) -> list[Route]:
        return [
            Route("/o/oauth2/v2/auth", self._consent, methods=["GET"]),
            Route("/token", self._token, methods=["POST"]),
            Route("/oauth2/v3/certs", self._certs, methods=["GET"]),
        ]

    async def _consent(self, request: Request) -> Response:
        """The owner says yes, or not (`accept_refresh` False); the browser goes back to the application."""
        asked = request.query_params
        answer = {"state": asked.get("state", "")}
        if self.accept_refresh and asked.get("client_id") == self.client_id:
            code = secrets.token_urlsafe(12)
            self._codes[code] = (asked.get("code_challenge", ""), asked["redirect_uri"])
            answer["code"] = code
        else:
            answer["error"] = "access_denied"
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}")

    async def _token(self, request: Request) -> Response:
        self.asked += 1
        form = await request.form()
        known = _client(request, form) == (self.client_id, self.client_secret)
        if form.get("grant_type") == "authorization_code":
            challenge, address = self._codes.pop(str(form.get("code")), ("", ""))
            granted = bool(challenge) and challenge == _s256(form) and address == form.get("redirect_uri")
        else:
            granted = form.get("refresh_token") == self.refresh_token and self.accept_refresh
        if not known or not granted:
            body = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return JSONResponse(body, 400)
        self.refreshes += 1
        token = "ya29." + secrets.token_urlsafe(24)
        self._tokens[token] = time.time() + self.token_lifetime_s
        scope = "https://www.googleapis.com/auth/gmail.modify"
        body = {"access_token": token, "expires_in": self.token_lifetime_s, "scope": scope, "token_type": "Bearer"}
        first = form.get("grant_type") == "authorization_code"
        return JSONResponse(body | ({"refresh_token": self.refresh_token} if first else {}))

    async def _certs(self, _: Request) -> Response:
        self.key_fetches += 1
        keys = [
            RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "alg": "RS256", "use": "sig"}
            for key_id, key in self._keys.items()
        ]
        return JSONResponse({"keys": keys})


def _client(request: Request, form: FormData) -> tuple[str, str]:
    """RFC 6749 2.3.1: a client names itself in the header, or in the body."""
    scheme, _, words = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        name, _, secret = base64.b64decode(words).decode().partition(":")
        return name, secret
    return str(form.get("client_id")), str(form.get("client_secret"))


def _s256(form: FormData) -> str:
    """The challenge that a code verifier answers (RFC 7636)."""
    digest = hashlib.sha256(str(form.get("code_verifier", "")).encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
