"""STOP, START and HELP: the words by which a customer of a messaging channel rules over what we may send."""

from __future__ import annotations

from typing import Final, Literal

ConsentWord = Literal["stop", "start", "help"]

# Not "cancel", "end" or "quit", which carriers honour too: in a support chat they answer a question about a cancellation.
_WORDS: Final[dict[str, ConsentWord]] = {
    **dict.fromkeys(("stop", "stop all", "stopall", "unsubscribe", "opt out", "opt-out", "optout"), "stop"),
    **dict.fromkeys(("start", "unstop", "subscribe", "opt in", "opt-in", "optin"), "start"),
    "help": "help",
}


def consent_word(text: str) -> ConsentWord | None:
    """The word, where it is the whole message; "please stop the sync job" is a question like any other."""
    return _WORDS.get(" ".join(text.lower().strip(" \t\r\n.!\"'").split()))
