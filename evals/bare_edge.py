"""The yardstick of the edge: a FastAPI handler that parses a form and does one insert through the same pool.

`python -m evals.bare_edge DSN` prints the port that it listens on and serves until it is interrupted.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from urllib.parse import parse_qsl

import uvicorn
from fastapi import FastAPI, Request, Response
from psycopg.types.json import Jsonb

from crm.pool import Pool, open_pool

TABLE = "create table if not exists bare_edge (id text primary key, body jsonb not null)"
_INSERT = "insert into bare_edge (id, body) values (%(id)s, %(body)s) on conflict do nothing"


def bare_app(pool: Pool) -> FastAPI:
    app = FastAPI()

    @app.post("/webhooks/whatsapp")
    async def receive(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        async with pool.connection() as conn:
            await conn.execute(_INSERT, {"id": form["MessageSid"], "body": Jsonb(form)})
        return Response(status_code=204)

    return app


async def main(dsn: str) -> None:
    async with await open_pool(dsn, min_size=2, name="bare-edge") as pool:
        async with pool.connection() as conn:
            await conn.execute(TABLE)
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        sys.stdout.write(f"port={listener.getsockname()[1]}\n")
        sys.stdout.flush()
        config = uvicorn.Config(bare_app(pool), log_level="warning", access_log=False, server_header=False)
        await uvicorn.Server(config).serve([listener])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
