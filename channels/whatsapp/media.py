"""Media of a customer's message, fetched from Twilio when a person asks for it: its hosts only, within limits.

https://www.twilio.com/docs/messaging/api/media-resource
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from channels.whatsapp.client import API_BASE, TIMEOUT
from channels.whatsapp.inbound import is_twilio_host
from core.errors import ChannelError

# What WhatsApp carries through Twilio: https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages
MAX_BYTES: Final = 16 * 1024 * 1024
_TYPES: Final = frozenset(
    f"{kind}/{name}"
    for kind, names in {
        "image": ("jpeg", "png", "webp"),
        "audio": ("ogg", "mpeg", "amr", "aac", "mp4"),
        "video": ("mp4", "3gpp"),
        "application": ("pdf",),
        "text": ("vcard", "x-vcard", "plain"),
    }.items()
    for name in names
)
_CDN: Final = ".twiliocdn.com"
_HOPS: Final = 3


@dataclass(frozen=True, slots=True)
class Media:
    content_type: str
    content: bytes


class MediaFetcher:
    """`base_url` stands in for Twilio's API, as it does for the client."""

    def __init__(
        self, account_sid: str, auth_token: str, *, base_url: str | None = None, timeout_s: float = 20.0
    ) -> None:
        self._auth = httpx.BasicAuth(account_sid, auth_token)
        self._base = base_url.rstrip("/") if base_url else None
        self._timeout_s = timeout_s

    async def fetch(self, url: str) -> Media:
        """Raises ChannelError: permanent where the address, the type or the size is not to be taken."""
        if not is_twilio_host(url):
            raise ChannelError("Media is fetched from Twilio alone", permanent=True, code="media_host")
        if self._base and url.startswith(f"{API_BASE}/"):
            url = self._base + url.removeprefix(API_BASE)
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                httpx.AsyncClient(trust_env=False, timeout=self._timeout_s) as client,
            ):
                return await self._follow(client, url)
        except (TimeoutError, httpx.HTTPError) as error:
            raise ChannelError("Twilio did not give the media in time", code=TIMEOUT) from error

    async def _follow(self, client: httpx.AsyncClient, url: str) -> Media:
        """Twilio's API sends on to its CDN, which gets no credentials; nobody else is followed."""
        for _ in range(_HOPS):
            auth = self._auth if self._is_api(url) else None
            async with client.stream("GET", url, auth=auth, follow_redirects=False) as answer:
                if not answer.has_redirect_location:
                    return await _read(answer)
                url = urljoin(url, answer.headers["Location"])
            if not (self._is_api(url) or _is_cdn(url)):
                break
        raise ChannelError("The media was moved to an address that is not Twilio's", permanent=True, code="media_host")

    def _is_api(self, url: str) -> bool:
        return is_twilio_host(url) or (self._base is not None and url.startswith(f"{self._base}/"))


def _is_cdn(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(_CDN)


async def _read(answer: httpx.Response) -> Media:
    if answer.status_code != 200:
        gone = answer.status_code in (404, 410)
        raise ChannelError("Twilio does not give this media", permanent=gone, code=str(answer.status_code))
    content_type = _type_of(answer.headers)
    if content_type not in _TYPES:
        raise ChannelError("Media of this type is not shown", permanent=True, code="media_type")
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise ChannelError("The media is larger than WhatsApp carries", permanent=True, code="media_size")
    return Media(content_type, bytes(content))


def _type_of(headers: Mapping[str, str]) -> str:
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()
