"""Errors as application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from gateway.errors import GatewayError

MEDIA_TYPE = "application/problem+json"
SERVER_ERROR = 500

logger = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    app.exception_handler(GatewayError)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)


def problem(slug: str, title: str, status: int, **members: Any) -> JSONResponse:
    """Build the response; `members` are "detail" and whatever else the type has."""
    body = {"type": f"urn:gateway:problem:{slug}", "title": title, "status": status, **members}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


async def _refused(_: Request, error: GatewayError) -> JSONResponse:
    response = problem(error.slug, error.title, error.status, detail=str(error))
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(math.ceil(error.retry_after), 1))
    if error.status >= SERVER_ERROR:
        logger.warning(error.slug, extra={"fields": {"cause": type(error.__cause__).__name__}})
    return response


async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    # Where and what, never the value: it may be anything that a client mixed up.
    faults = [
        {"at": "/".join(str(part) for part in fault["loc"]), "fault": fault["msg"]}
        for fault in error.errors()
    ]
    return problem("invalid-request", "The request is not valid", 422, errors=faults)


async def _http(_: Request, error: HTTPException) -> JSONResponse:
    status = HTTPStatus(error.status_code)
    response = problem("http", status.phrase, status.value, detail=error.detail)
    response.headers.update(error.headers or {})
    return response
