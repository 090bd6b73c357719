"""What can go wrong, each with its HTTP status and its problem type (RFC 9457)."""

from __future__ import annotations

from typing import ClassVar


class PlantError(Exception):
    """Say why a request was refused; the text is shown to the client."""

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "plant-error"
    title: ClassVar[str] = "The request was refused"


class NotFoundError(PlantError):
    """No entity of that kind with this id, in the caller's tenant."""

    status = 404
    slug = "not-found"
    title = "Not found"


class NameTakenError(PlantError):
    """Another entity of the same kind has the name, and was created from another body."""

    status = 409
    slug = "name-taken"
    title = "Name taken"


class StaleVersionError(PlantError):
    """The entity was changed since the caller read it."""

    status = 409
    slug = "stale-version"
    title = "Somebody was quicker"


class InUseError(PlantError):
    """Another entity refers to the one that is to go."""

    status = 409
    slug = "in-use"
    title = "In use"


class UnknownReferenceError(PlantError):
    """A body names an entity that doesn't exist in the caller's tenant, or is of another kind."""

    status = 422
    slug = "unknown-reference"
    title = "Unknown reference"


class KeyReusedError(PlantError):
    """An idempotency key came again with another body."""

    status = 422
    slug = "idempotency-key-reused"
    title = "Idempotency key reused"


class BadEmbeddingError(PlantError, ValueError):
    """Numbers that are no embedding: too few, too many, too large, or without a direction."""

    status = 422
    slug = "bad-embedding"
    title = "Not an embedding"


class DatabaseUnavailableError(PlantError):
    """The database can't be reached or has no connection free; it passes by itself.

    Whether an open transaction was committed is unknown: a client repeats the request, which
    creates nothing twice.
    """

    status = 503
    slug = "database-unavailable"
    title = "The database is unavailable"
