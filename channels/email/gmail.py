"""The Gmail API through Google's own client: discovery from the package, one connection a request, threads of its own."""

from __future__ import annotations

import asyncio
import base64
import http.client
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import httplib2
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.oauth2.credentials import Credentials as OAuthCredentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from core.errors import ChannelError

SCOPES: Final = ("https://www.googleapis.com/auth/gmail.modify",)
SKIPPED_LABELS: Final = frozenset({"SENT", "DRAFT", "SPAM", "TRASH", "CHAT"})
TIMEOUT: Final = "timeout"
# What only a new permission mends: the grant has ended, or it does not cover what we do.
REAUTH_CODES: Final = frozenset({"invalid_grant", "401", "403"})
_RATE_REASONS: Final = {
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "backendError",
}
_THREADS: Final = 4
_PAGE: Final = 500


class CursorExpired(ChannelError):
    """Gmail no longer knows the history since our cursor; the mailbox must be listed anew."""


@dataclass(frozen=True, slots=True)
class GmailConfig:
    """`base_url` is for the fake; `timeout_s` holds for each wait on the network.

    After a refused login Google is left alone for `refusal_pause_s`: only a person can mend that.
    """

    address: str
    base_url: str | None = None
    timeout_s: float = 20.0
    refusal_pause_s: float = 60.0


@dataclass(frozen=True, slots=True)
class RawMail:
    id: str
    thread_id: str
    labels: frozenset[str]
    received_at: datetime
    raw: bytes


def oauth_credentials(*, client_id: str, client_secret: str, refresh_token: str, token_url: str) -> Credentials:
    """Credentials of a mailbox whose owner said yes once."""
    return OAuthCredentials(
        token=None,
        refresh_token=refresh_token,
        token_uri=token_url,
        client_id=client_id,
        client_secret=client_secret,
        scopes=list(SCOPES),
    )


class GmailApi:
    """The calls that the product makes, as coroutines. Raises ChannelError."""

    def __init__(self, config: GmailConfig, credentials: Credentials) -> None:
        self._config, self._credentials = config, credentials
        self._refused_until = float("-inf")
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="gmail")
        options = {"api_endpoint": config.base_url} if config.base_url else None
        service: Any = build(
            "gmail",
            "v1",
            credentials=AnonymousCredentials(),
            client_options=options,
            static_discovery=True,
            cache_discovery=False,
        )
        self._users: Any = service.users()

    async def profile_history_id(self) -> int:
        return int((await self._profile())["historyId"])

    async def profile_address(self) -> str:
        """Whose mailbox the permission is for."""
        return str((await self._profile())["emailAddress"]).lower()

    async def list_history(self, cursor: int) -> tuple[list[str], int]:
        """Ids of mail that came in since the cursor, oldest first, and the next cursor. Raises CursorExpired."""
        ids: dict[str, None] = {}
        options = {"startHistoryId": str(cursor), "historyTypes": ["messageAdded"], "maxResults": _PAGE}
        try:
            async for page in self._pages(
                lambda token: self._users.history().list(userId="me", pageToken=token, **options)
            ):
                ids |= dict.fromkeys(_added(page))
                cursor = max(cursor, int(page["historyId"]))
        except ChannelError as error:
            if error.code == "404":
                raise CursorExpired(code="404") from error
            raise
        return list(ids), cursor

    async def list_inbox(self, days: int) -> list[str]:
        """Ids of the inbox's mail of the last days, oldest first."""
        query = f"in:inbox newer_than:{days}d"
        ids: list[str] = []
        messages = self._users.messages()
        async for page in self._pages(
            lambda token: messages.list(userId="me", q=query, pageToken=token, maxResults=_PAGE)
        ):
            ids += [message["id"] for message in page.get("messages", ())]
        return ids[::-1]

    async def get_raw(self, message_id: str) -> RawMail | None:
        """None where the mail was deleted meanwhile."""
        found = await self._find(lambda: self._users.messages().get(userId="me", id=message_id, format="raw"))
        if found is None:
            return None
        raw = base64.urlsafe_b64decode(found["raw"] + "=" * (-len(found["raw"]) % 4))
        received_at = datetime.fromtimestamp(int(found.get("internalDate", 0)) / 1000, UTC)
        return RawMail(found["id"], found["threadId"], frozenset(found.get("labelIds", ())), received_at, raw)

    async def create_draft(self, raw: bytes, thread_id: str) -> str:
        """The id of a draft in a thread, or outside any where that thread is gone."""
        message = {"raw": base64.urlsafe_b64encode(raw).decode()}
        body = {"message": message | ({"threadId": thread_id} if thread_id else {})}
        draft = await self._find(lambda: self._users.drafts().create(userId="me", body=body))
        if draft is None and thread_id:
            return await self.create_draft(raw, "")
        if draft is None:
            raise ChannelError("Gmail does not know the mailbox", permanent=True, code="404")
        return str(draft["id"])

    async def find_draft(self, rfc822_id: str) -> str | None:
        query = f"rfc822msgid:{rfc822_id.strip('<>')}"
        page = await self._call(lambda: self._users.drafts().list(userId="me", q=query))
        return next((str(draft["id"]) for draft in page.get("drafts", ())), None)

    async def send_draft(self, draft_id: str) -> Mapping[str, Any] | None:
        """The sent message {id, threadId}; None where there is no such draft any more."""
        return await self._find(lambda: self._users.drafts().send(userId="me", body={"id": draft_id}))

    async def find_sent(self, rfc822_id: str) -> str | None:
        query = f"in:sent rfc822msgid:{rfc822_id.strip('<>')}"
        page = await self._call(lambda: self._users.messages().list(userId="me", q=query))
        return next((str(message["id"]) for message in page.get("messages", ())), None)

    async def watch(self, topic: str) -> tuple[int, datetime]:
        """Start or renew the pushes: the history id from now on and when they end, after seven days at most."""
        body = {"topicName": topic, "labelIds": ["INBOX"], "labelFilterBehavior": "include"}
        answer = await self._call(lambda: self._users.watch(userId="me", body=body))
        return int(answer["historyId"]), datetime.fromtimestamp(int(answer["expiration"]) / 1000, UTC)

    async def stop_watch(self) -> None:
        await self._call(lambda: self._users.stop(userId="me"))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _profile(self) -> Mapping[str, Any]:
        return await self._call(lambda: self._users.getProfile(userId="me"))

    async def _pages(self, request: Callable[[str | None], Any]) -> AsyncIterator[Any]:
        token: str | None = None
        while True:
            page = await self._call(lambda token=token: request(token))
            yield page
            token = page.get("nextPageToken")
            if not token:
                return

    async def _find(self, request: Callable[[], Any]) -> Any:
        try:
            return await self._call(request)
        except ChannelError as error:
            if error.code == "404":
                return None
            raise

    async def _call(self, request: Callable[[], Any]) -> Any:
        if time.monotonic() < self._refused_until:
            raise _ended_permission()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._execute, request)

    def _execute(self, request: Callable[[], Any]) -> Any:
        """In a thread, on a connection of its own: httplib2 must not be shared."""
        connection = httplib2.Http(timeout=self._config.timeout_s)
        try:
            return request().execute(http=AuthorizedHttp(self._credentials, http=connection))
        except HttpError as error:
            raise _translate(error) from error
        except RefreshError as error:
            if isinstance(error.__cause__, TransportError) or getattr(error, "retryable", False):
                raise ChannelError("Google's token service did not answer", code=TIMEOUT) from error
            self._refused_until = time.monotonic() + self._config.refusal_pause_s
            raise _ended_permission() from error
        except (GoogleAuthError, httplib2.HttpLib2Error, http.client.HTTPException, OSError) as error:
            raise ChannelError("Gmail did not answer in time", code=TIMEOUT) from error
        finally:
            connection.close()


def _added(page: Mapping[str, Any]) -> Iterator[str]:
    """Messages that arrived; `labelIds` may be missing, then the fetch decides."""
    for entry in page.get("history", ()):
        for added in entry.get("messagesAdded", ()):
            message = added["message"]
            labels = set(message.get("labelIds", ("INBOX",)))
            if "INBOX" in labels and not labels & SKIPPED_LABELS:
                yield str(message["id"])


def _translate(error: HttpError) -> ChannelError:
    status = int(error.resp.status)
    details = error.error_details if isinstance(error.error_details, list) else []
    reasons = {str(detail.get("reason", "")) for detail in details if isinstance(detail, dict)}
    if status == 429 or (status == 403 and reasons & _RATE_REASONS):
        return ChannelError("Gmail is busy", retry_after_s=_retry_after(error), code="429")
    if status >= 500:
        return ChannelError(f"Gmail failed with {status}", code=str(status))
    if status in (401, 403):
        words = "Gmail refuses our credentials: connect the mailbox again with `fte gmail auth`"
        return ChannelError(words, retry_after_s=300.0, code=str(status))
    return ChannelError(f"Gmail refused with {status}", permanent=True, code=str(status))


def _ended_permission() -> ChannelError:
    words = "The mailbox's permission has ended: connect it again with `fte gmail auth`"
    return ChannelError(words, retry_after_s=300.0, code="invalid_grant")


def _retry_after(error: HttpError) -> float:
    try:
        return max(1.0, float(error.resp.get("retry-after", "")))
    except ValueError:
        return 10.0
