"""Who may: bearer keys with scopes."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import ANSWER_TIMEOUT_S, context_of
from api.problems import ApiProblem
from crm.keys import ApiKey, Scope, find_key
from crm.pool import transaction

_bearer = HTTPBearer(auto_error=False, description="An API key: `fte keys create NAME --scope SCOPE`")
log = structlog.get_logger()


def require(scope: Scope) -> Any:
    """Dependency: the key of the request, which must have the scope."""

    async def authorise(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> ApiKey:
        if credentials is None:
            raise _unauthorised("Send an API key as Authorization: Bearer fte_... (fte keys create makes one).", "")
        async with transaction(context_of(request).pool, timeout_s=ANSWER_TIMEOUT_S) as conn:
            key = await find_key(conn, credentials.credentials)
        if key is None:
            raise _unauthorised("This API key is unknown, revoked or expired.", ', error="invalid_token"')
        if not key.allows(scope):
            log.warning("key.refused", key=key.prefix, scope=scope)
            challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
            detail = f"This API key lacks the scope {scope}; ask for a key that has it."
            raise ApiProblem(403, "missing-scope", detail, headers={"WWW-Authenticate": challenge})
        return key

    return Depends(authorise)


def _unauthorised(detail: str, error: str) -> ApiProblem:
    return ApiProblem(401, "unauthorised", detail, headers={"WWW-Authenticate": f'Bearer realm="fte"{error}'})
