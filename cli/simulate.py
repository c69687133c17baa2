"""`fte simulate`: write to the running employee as a customer would, on any channel, and read the answer."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from cli.demo import DemoProviders, find_demo_providers, provider_app
from cli.logs import configure_logs
from cli.output import echo_json
from cli.server import bind, serving, until_told_to_stop
from core.errors import ConfigurationError
from core.ids import new_id
from core.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True)
Text = Annotated[str, typer.Argument(help="What the customer writes.")]
DataDir = Annotated[Path | None, typer.Option(help="The --data-dir of the running `fte up`.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for the answer.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
_POLL_S = 0.2


@app.command()
def mail(
    text: Text,
    subject: Annotated[str, typer.Option(help="Subject line.")] = "A question",
    sender: Annotated[str, typer.Option("--from", help="The customer's address.")] = "ada@example.org",
    name: Annotated[str, typer.Option(help="The customer's name.")] = "Ada Byron",
    data_dir: DataDir = None,
    wait_s: Wait = 30,
    as_json: Json = False,
) -> None:
    """Send a mail to the demo's Gmail and show the reply."""
    _show(_answer(_mail(_demo(data_dir), sender, name, subject, text, wait_s)), as_json)


@app.command()
def whatsapp(
    text: Text,
    sender: Annotated[str, typer.Option("--from", help="The customer's number.")] = "+15550002222",
    name: Annotated[str, typer.Option(help="The customer's profile name.")] = "Ada",
    data_dir: DataDir = None,
    wait_s: Wait = 30,
    as_json: Json = False,
) -> None:
    """Send a WhatsApp message through the demo's Twilio and show the reply."""
    _show(_answer(_whatsapp(_demo(data_dir), sender, name, text, wait_s)), as_json)


@app.command()
def web(
    text: Text,
    subject: Annotated[str, typer.Option(help="Subject line.")] = "A question",
    sender: Annotated[str, typer.Option("--from", help="The customer's address.")] = "ada@example.org",
    name: Annotated[str, typer.Option(help="The customer's name.")] = "Ada Byron",
    data_dir: DataDir = None,
    wait_s: Wait = 30,
    as_json: Json = False,
) -> None:
    """Submit the web form and show what the ticket page says."""
    _show(_answer(_web(_demo(data_dir), sender, name, subject, text, wait_s)), as_json)


def _answer(writing: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    try:
        return asyncio.run(writing)
    except httpx.TransportError as error:
        raise ConfigurationError(
            "Nothing answers at the addresses that `fte up` left: it is still starting, or it was killed. "
            "Wait for it or start it, then try again"
        ) from error


@app.command()
def serve() -> None:
    """Serve the demo's Gmail under /gmail and Twilio under /twilio, for a cluster without keys. The settings name both ends."""
    settings = load_settings()
    configure_logs(settings)
    listener = bind(settings.host, settings.port)
    asyncio.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    async with serving(provider_app(settings), listener):
        await until_told_to_stop()


def _demo(data_dir: Path | None) -> DemoProviders:
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    found = find_demo_providers(settings.data_dir)
    if found is None:
        raise ConfigurationError(f"Nothing runs on {settings.data_dir}: start `fte up` in another terminal first")
    return found


def _talk(conversation: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    try:
        return asyncio.run(conversation)
    except httpx.TransportError as error:
        raise ConfigurationError(
            "The product does not answer: is `fte up` still starting, or was it stopped?"
        ) from error


async def _mail(demo: DemoProviders, sender: str, name: str, subject: str, text: str, wait_s: float) -> dict[str, Any]:
    base = _only_demo(demo.gmail, "Gmail")
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        before = len(_to(sender, (await client.get("/_sent")).json()))
        letter = {"from": sender, "name": name, "subject": subject, "text": text}
        (await client.post("/_inbound", json=letter)).raise_for_status()

        async def answered() -> dict[str, Any] | None:
            sent = _to(sender, (await client.get("/_sent")).json())
            return sent[-1] if len(sent) > before else None

        return await _wait(answered, wait_s)


async def _whatsapp(demo: DemoProviders, sender: str, name: str, text: str, wait_s: float) -> dict[str, Any]:
    base = _only_demo(demo.twilio, "Twilio")
    address = f"whatsapp:{sender}"
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        before = len(_to(address, (await client.get("/_sent")).json()))
        message = {"from": address, "body": text, "profile_name": name}
        (await client.post("/_inbound", json=message)).raise_for_status()

        async def answered() -> dict[str, Any] | None:
            sent = _to(address, (await client.get("/_sent")).json())
            return (
                {"text": "\n\n".join(part["body"] for part in sent[before:]), "to": address}
                if len(sent) > before
                else None
            )

        return await _wait(answered, wait_s)


async def _web(demo: DemoProviders, sender: str, name: str, subject: str, text: str, wait_s: float) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=demo.api, timeout=30) as client:
        form = {
            "name": name,
            "email": sender,
            "subject": subject,
            "category": "general",
            "priority": "medium",
            "message": text,
        }
        response = await client.post("/support/submit", json=form, headers={"Idempotency-Key": str(new_id())})
        if response.is_error:
            raise ConfigurationError(f"The form was refused: {response.json().get('detail', response.status_code)}")
        ticket_id = response.json()["ticket_id"]

        async def answered() -> dict[str, Any] | None:
            looked = await client.get(f"/support/ticket/{ticket_id}")
            if looked.is_error:
                return None
            ticket = looked.json()
            replies = [message for message in ticket["messages"] if message["author"] != "customer"]
            if not replies and ticket["status"] != "resolved":
                return None
            return {"text": "\n\n".join(r["body"] for r in replies) or "(no answer needed)", "ticket": ticket}

        return await _wait(answered, wait_s)


def _to(address: str, sent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in sent if address in str(message.get("to", ""))]


async def _wait(answered: Callable[[], Awaitable[dict[str, Any] | None]], wait_s: float) -> dict[str, Any]:
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        if found := await answered():
            return found
        await asyncio.sleep(_POLL_S)
    raise ConfigurationError(
        f"No answer within {wait_s:g} s. It may need none (thanks, an automatic mail): `fte ledger` tells"
    )


def _only_demo(address: str | None, provider: str) -> str:
    if address is None:
        raise ConfigurationError(f"A real {provider} is configured, so there is no demo one to write through")
    return address


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return echo_json(answer)
    if answer.get("subject"):
        typer.echo(f"Subject: {answer['subject']}\n")
    typer.echo(answer["text"])
