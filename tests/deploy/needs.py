"""What each part of the product must be told, and what only some parts may know."""

from __future__ import annotations

from typing import Final

from typer.core import TyperGroup
from typer.main import get_command

from core.settings import Settings
from workers.crew import ROLES

STORE: Final = {"DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"}
GMAIL: Final = {
    "FTE_GMAIL_ADDRESS",
    "FTE_GMAIL_CLIENT_ID",
    "FTE_GMAIL_CLIENT_SECRET",
    "FTE_GMAIL_REFRESH_TOKEN",
    "FTE_GMAIL_PUSH_AUDIENCE",
    "FTE_GMAIL_PUSH_SERVICE_ACCOUNT",
    "FTE_GMAIL_PUSH_SUBSCRIPTION",
}
TWILIO: Final = {"FTE_TWILIO_ACCOUNT_SID", "FTE_TWILIO_AUTH_TOKEN", "FTE_TWILIO_WHATSAPP_FROM"}
CHANNELS: Final = GMAIL | TWILIO | {"FTE_PUBLIC_BASE_URL"}
MODELS: Final = {"OPENAI_API_KEY", "OPENAI_BASE_URL"}

NEEDS: Final[dict[str, set[str]]] = {
    "api": STORE | CHANNELS,
    "intake": STORE | CHANNELS,
    "agent": STORE | MODELS,
    "delivery": STORE | CHANNELS,
    "relay": STORE,
    "sweeper": STORE,
    "reconciler": STORE | TWILIO,
    "mailbox": STORE | GMAIL,
    "migrate": {"DATABASE_URL"},
}

# Each secret and who may hold it.
HOLDERS: Final[dict[str, set[str]]] = {
    "OPENAI_API_KEY": {"agent"},
    "FTE_GMAIL_REFRESH_TOKEN": {"api", "intake", "delivery", "mailbox", "reconciler"},
    "FTE_GMAIL_CLIENT_SECRET": {"api", "intake", "delivery", "mailbox", "reconciler"},
    # The secrets of the channels come together, so who needs one provider's gets the other's too.
    "FTE_TWILIO_AUTH_TOKEN": {"api", "intake", "delivery", "mailbox", "reconciler"},
}


def roles_of(command: list[str]) -> set[str]:
    """The parts that a command plays: `worker --role relay --role sweeper`, `api`, `migrate`."""
    if command[:1] == ["worker"]:
        return {command[i + 1] for i, word in enumerate(command) if word == "--role"} or set(ROLES)
    return set(command[:1])


def assert_command_exists(command: list[str]) -> None:
    """`fte` knows this command, its sub-command and its options."""
    from cli.main import build_app  # every command with all that it imports: only the tests that ask wait for it

    found = get_command(build_app())
    context = found.context_class(found)
    while isinstance(found, TyperGroup):
        word, *command = command
        assert word in found.commands, f"fte has no command {word!r}, only {', '.join(found.commands)}"
        found = found.commands[word]
    found.make_context("fte", command, parent=context)


def default_of(env: str) -> object:
    name = env.removeprefix("FTE_").lower()
    return Settings.model_fields[name].default
