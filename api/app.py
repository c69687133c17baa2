"""The HTTP application: routers, the net round them, the pages. It opens nothing; the wiring hands everything in."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from api import attachments, conversations, customers, gmail, health, metrics, reviews, support, webhooks
from api.context import ApiContext
from api.middleware import BodyLimit, RequestGate
from api.openapi import describe
from api.problems import install_problems
from api.ratelimit import MovingWindow
from api.web import pages_of, security_headers

_DESCRIPTION = "The front door of a 24/7 customer-success employee. Errors are RFC 9457 problem documents."


def create_app(context: ApiContext) -> FastAPI:
    """The app on what it is given. Interactive docs are off: they load scripts from elsewhere."""
    app = FastAPI(
        title=f"{context.profile.product} support",
        version=context.version,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(RequestGate, headers=security_headers(context)),
            Middleware(
                CORSMiddleware,
                allow_origins=list(context.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["Content-Type", "Idempotency-Key", "X-Request-ID"],
                expose_headers=["X-Request-ID", "Retry-After"],
            ),
            Middleware(BodyLimit, max_bytes=context.max_body_bytes),
        ],
    )
    app.state.context = context
    app.state.submissions = MovingWindow(context.submit_rate_per_minute)
    install_problems(app)
    for room in (health, gmail, webhooks, support, reviews, conversations, attachments, customers, metrics):
        app.include_router(room.router)
    app.router.default = pages_of(context)
    describe(app)
    return app
