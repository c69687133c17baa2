"""The owner of a mailbox says yes once, in a browser: Google's flow for installed applications, with PKCE.

https://developers.google.com/identity/protocols/oauth2/native-app
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from typing import Final

from google_auth_oauthlib.flow import InstalledAppFlow, WSGITimeoutError
from oauthlib.oauth2 import OAuth2Error

from channels.email.gmail import SCOPES
from core.errors import ChannelError

_HOST: Final = "127.0.0.1"
_PROMPT: Final = "Open this address in a browser and sign in as the mailbox that is to be answered:\n\n  {url}\n"
_THANKS: Final = "The mailbox is connected. You can close this window."


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """A client of the kind "Desktop app" in the Google Cloud console."""

    client_id: str
    client_secret: str = field(repr=False)
    auth_url: str
    token_url: str


def ask_owner(client: OAuthClient, mailbox: str, *, port: int, open_browser: bool, timeout_s: int) -> str:
    """The refresh token. Waits on a loopback port for the browser to come back; speaks to the person on stderr."""
    installed = {
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "auth_uri": client.auth_url,
        "token_uri": client.token_url,
        "redirect_uris": [f"http://{_HOST}"],
    }
    flow = InstalledAppFlow.from_client_config({"installed": installed}, list(SCOPES))
    try:
        with contextlib.redirect_stdout(sys.stderr):  # the library prints; stdout is for the token alone
            credentials = flow.run_local_server(
                host=_HOST,
                port=port,
                open_browser=open_browser,
                authorization_prompt_message=_PROMPT,
                success_message=_THANKS,
                timeout_seconds=timeout_s,
                login_hint=mailbox,
                prompt="consent",  # without it Google gives a refresh token only the first time
            )
    except WSGITimeoutError as error:
        raise ChannelError(f"Nobody came back from the browser within {timeout_s} seconds") from error
    except OAuth2Error as error:
        raise ChannelError(f"Google did not give permission: {error.error or type(error).__name__}") from error
    except OSError as error:
        raise ChannelError(f"Google's token service or the port {port} on {_HOST} cannot be used") from error
    if not credentials.refresh_token:
        raise ChannelError("Google gave no refresh token: the client must be of the kind Desktop app")
    return str(credentials.refresh_token)
