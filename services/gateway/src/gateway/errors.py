"""What can go wrong at the edge, each with its HTTP status and its problem type (RFC 9457)."""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """Say why a request was refused; the text is shown to the client."""

    status: int = 400
    slug: ClassVar[str] = "gateway-error"
    title: ClassVar[str] = "The gateway refused the request"
    retry_after: float | None = None  # seconds after which the same request may succeed


class NotFoundError(GatewayError):
    """No hire with this id."""

    status = 404
    slug = "not-found"
    title = "Not found"


class KeyReusedError(GatewayError):
    """An idempotency key came again with another body."""

    status = 422
    slug = "idempotency-key-reused"
    title = "Idempotency key reused"


class RateLimitedError(GatewayError):
    """A client sent more requests than its plan allows."""

    status = 429
    slug = "rate-limited"
    title = "Too many requests"

    def __init__(self, message: str, retry_after: float) -> None:
        """Take what is shown, and the seconds until the next request is let through."""
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseUnavailableError(GatewayError):
    """The gateway's own database can't be reached; whether an open transaction committed is unknown."""

    status = 503
    slug = "database-unavailable"
    title = "The database is unavailable"
    retry_after = 1.0


class UpstreamUnavailableError(GatewayError):
    """A service behind the gateway doesn't answer, or not with sense; it may have done what was asked.

    Whatever the gateway asks of it may be asked again: nothing is done twice.
    """

    status = 503
    slug = "upstream-unavailable"
    title = "A service behind the gateway is unavailable"

    def __init__(self, service: str, fault: str, retry_after: float = 1.0) -> None:
        """Take who it is, what happened, and the seconds until it makes sense to ask again."""
        super().__init__(f"{service} {fault}")
        self.service = service
        self.retry_after = retry_after


class UpstreamRefusedError(GatewayError):
    """A service behind the gateway understood the request and said no: asking again won't help."""

    slug = "upstream-refused"
    title = "A service behind the gateway refused the request"

    def __init__(self, service: str, status: int, problem: str, detail: str) -> None:
        """Take who refused, with which status, its problem's short name, and its own words."""
        super().__init__(f"{service}: {detail}")
        self.service = service
        self.status = status  # the client gets the upstream's own
        self.problem = problem
