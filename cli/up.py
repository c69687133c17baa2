"""`fte up`: the whole product in one process. `fte api`, `fte worker`: its parts, for a cluster."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import structlog
import typer

from api.app import create_app
from cli.database import database
from cli.demo import demo_providers
from cli.deps import build_api_context, build_bus, build_worker_context, is_unread, make_embedder, sync_dossier, warm_up
from cli.logs import configure_logs
from cli.server import bind, serving, until_told_to_stop
from core.errors import ConfigurationError
from core.settings import Settings, load_settings
from crm.keys import create_key
from crm.pool import Pool, open_pool, transaction
from crm.turns import release_all_leases
from events.bus import Bus
from workers.crew import ROLES, Role, crew
from workers.sweeper import Sweeper

log = structlog.get_logger()
_LOCAL_KEY = "local"


def up(
    port: Annotated[int | None, typer.Option(help="Port of the API and the pages; 0 picks a free one.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the embedded PostgreSQL; data survives a restart.")
    ] = None,
    no_web: Annotated[
        bool, typer.Option("--no-web", help="Serve the API and a plain form, without the built pages.")
    ] = False,
) -> None:
    """Run the whole product on this machine: database, API, pages and workers in one process."""
    overrides = {name: value for name, value in {"port": port, "data_dir": data_dir}.items() if value is not None}
    settings = load_settings(**overrides)
    configure_logs(settings)
    listener = bind(settings.host, settings.port)
    with _alone_on(settings.data_dir):
        typer.echo("Starting; the first time the documents are read, which takes up to a minute.", err=True)
        with database(settings) as dsn:
            asyncio.run(_up(settings, dsn, listener, web=not no_web))


@contextlib.contextmanager
def _alone_on(data_dir: Path) -> Iterator[None]:
    """One `fte up` a data folder, because it takes over all unfinished work; the kernel lets go when it ends."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "up.lock").open("a")
    except OSError as error:
        raise ConfigurationError(f"The data folder {data_dir} cannot be used ({error.strerror})") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            advice = "stop that one, or choose another --data-dir"
            raise ConfigurationError(f"Another `fte up` works on {data_dir}: {advice}") from None
        yield


def api(port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None) -> None:
    """Serve the API alone; the workers run elsewhere."""
    settings = load_settings(**({} if port is None else {"port": port}))
    configure_logs(settings)
    listener = bind(settings.host, settings.port)
    with database(settings) as dsn:
        asyncio.run(_api(settings, dsn, listener))


def worker(
    role: Annotated[
        list[str] | None, typer.Option(help=f"Role to play, repeatable: {', '.join(ROLES)}. All when left out.")
    ] = None,
) -> None:
    """Run workers against a shared database and bus."""
    settings = load_settings()
    configure_logs(settings)
    unknown = sorted(set(role or ()) - set(ROLES))
    if unknown:
        raise typer.BadParameter(f"unknown role {', '.join(unknown)}; choose from {', '.join(ROLES)}")
    with database(settings) as dsn:
        asyncio.run(_worker(settings, dsn, [r for r in ROLES if role is None or r in role]))


async def _up(settings: Settings, dsn: str, listener: socket.socket, *, web: bool) -> None:
    api_url = f"http://{settings.host}:{listener.getsockname()[1]}"
    async with demo_providers(settings, api_url) as settings, _pool_and_bus(settings, dsn, "fte-up") as (pool, bus):
        embedder = make_embedder(settings)
        # At the very first start the pages come first and the many ways to ask for them while it is at work already.
        unread = await is_unread(pool)
        report = await sync_dossier(settings, pool, embedder, phrasings=not unread)
        context = build_worker_context(settings, pool, bus, embedder=embedder)
        await warm_up(context.deps)
        if settings.database_url is None:
            # This process is alone with its embedded database: what an earlier one held is free, what it lost comes back.
            async with transaction(pool) as conn:
                await release_all_leases(conn)
            await Sweeper(context).sweep(after_s=0)
        key = await _fresh_local_key(pool)
        app = create_app(build_api_context(settings, pool, bus, web=web))
        async with crew(context), serving(app, listener):
            _greet(settings, api_url, key, articles=report.added + report.updated + report.unchanged)
            reading = asyncio.create_task(sync_dossier(settings, pool, embedder)) if unread else None
            await until_told_to_stop()
            if reading is not None:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
        typer.echo("Stopped. Nothing is lost: the next start goes on where this one ended.", err=True)


async def _api(settings: Settings, dsn: str, listener: socket.socket) -> None:
    async with _pool_and_bus(settings, dsn, "fte-api") as (pool, bus):
        app = create_app(build_api_context(settings, pool, bus, web=True))
        async with serving(app, listener):
            log.info("api.started", port=listener.getsockname()[1])
            await until_told_to_stop()


async def _worker(settings: Settings, dsn: str, roles: Sequence[Role]) -> None:
    async with _pool_and_bus(settings, dsn, f"fte-worker-{'-'.join(roles)}") as (pool, bus):
        context = build_worker_context(settings, pool, bus)
        if "agent" in roles:
            await warm_up(context.deps)
        async with crew(context, roles):
            log.info("worker.started", roles=",".join(roles))
            await until_told_to_stop()


@contextlib.asynccontextmanager
async def _pool_and_bus(settings: Settings, dsn: str, name: str) -> AsyncIterator[tuple[Pool, Bus]]:
    pool = await open_pool(dsn, min_size=2, max_size=settings.database_pool_size, name=name)
    bus = build_bus(settings, client_id=name)
    await bus.start()
    try:
        yield pool, bus
    finally:
        await bus.stop()
        await pool.close()


async def _fresh_local_key(pool: Pool) -> str:
    """A key for the person at this machine, good for a day; only its hash is stored, so each start makes its own."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    async with transaction(pool) as conn:
        return (await create_key(conn, name=_LOCAL_KEY, scopes=["admin"], expires_at=tomorrow)).token


def _greet(settings: Settings, base: str, key: str, *, articles: int) -> None:
    mind = f"OpenAI ({settings.model_reply})" if settings.openai_api_key else "offline"
    lines = [
        "",
        "  The customer success employee is at work.",
        "",
        f"    Write as a customer    {base}/",
        '      or from a terminal   .venv/bin/fte simulate mail "How do I ..."    (mail | whatsapp | web)',
        f"    Health                 {base}/health",
        f"    API description        {base}/openapi.json",
        f"    Metrics by channel     curl -H 'Authorization: Bearer {key}' {base}/metrics/channels",
        f"    What waits for you     curl -H 'Authorization: Bearer {key}' {base}/reviews",
        "",
        f"  Mind: {mind}. Knowledge: {articles} articles. Data: {settings.data_dir}",
        "  Stop with Ctrl-C.",
        "",
    ]
    typer.echo("\n".join(lines), err=True)
