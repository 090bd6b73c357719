"""Create, read, change and remove entities. Each function works in the transaction that it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from plant.entities import REFERENCES, BaseEntity
from plant.errors import (
    InUseError,
    KeyReusedError,
    NameTakenError,
    NotFoundError,
    StaleVersionError,
    UnknownReferenceError,
)

E = TypeVar("E", bound=BaseEntity)

FOREIGN_KEY_VIOLATIONS = ("23503", "23001")  # PostgreSQL 18 gave RESTRICT a code of its own
UNIQUE_VIOLATION = "23505"


@dataclass(frozen=True, slots=True)
class Created(Generic[E]):
    """An entity; `replayed` when an earlier request had created it."""

    entity: E
    replayed: bool


async def create(
    session: AsyncSession, entity: E, *, fingerprint: bytes, key: str | None = None
) -> Created[E]:
    """Create an entity once: for its idempotency key, and for its name.

    Raises KeyReusedError, NameTakenError and UnknownReferenceError.
    """
    entity.fingerprint, entity.idempotency_key = fingerprint, key
    if (known := await _known(session, entity)) is not None:
        return Created(known, replayed=True)
    await _see_references(session, entity)
    try:
        async with session.begin_nested():
            session.add(entity)
    except IntegrityError as error:
        # Somebody created it at the same moment, and has committed by now.
        if sqlstate(error) != UNIQUE_VIOLATION or (known := await _known(session, entity)) is None:
            raise
        return Created(known, replayed=True)
    return Created(entity, replayed=False)


async def get(session: AsyncSession, kind: type[E], entity_id: UUID, *, lock: bool = False) -> E:
    """Return an entity of a kind; locked, as whoever was changing it has left it. Raises NotFoundError."""
    found = await session.get(kind, entity_id, with_for_update=lock or None)
    if found is None:
        raise NotFoundError(f"There is no {kind.__name__.lower()} {entity_id}.")
    return found


async def page(
    session: AsyncSession, kind: type[E], *, after: str = "", limit: int = 50, contains: str = ""
) -> Sequence[E]:
    """Return the entities of a kind whose names come after one, in the order of their names.

    `contains` leaves those alone whose names have it in them, in capitals or not.
    """
    query = select(kind).where(kind.name > after).order_by(kind.name).limit(limit)
    if contains:
        query = query.where(kind.name.icontains(contains, autoescape=True))
    return (await session.scalars(query)).all()


async def change(
    session: AsyncSession, kind: type[E], entity_id: UUID, version: int, values: Mapping[str, Any]
) -> E:
    """Change an entity that the caller read in a version.

    Raises NotFoundError, NameTakenError, and StaleVersionError when somebody was quicker.
    """
    found = await get(session, kind, entity_id)
    if found.version != version:
        raise StaleVersionError(f"Version {version} was changed: it is {found.version} by now.")
    for key, value in values.items():
        setattr(found, key, value)
    try:
        await session.flush()
    except StaleDataError:
        raise StaleVersionError(f"Version {version} was changed at this moment.") from None
    except IntegrityError as error:
        if sqlstate(error) != UNIQUE_VIOLATION:
            raise
        raise NameTakenError(f'The name "{values.get("name")}" is taken.') from error
    return found


async def remove(session: AsyncSession, kind: type[BaseEntity], entity_id: UUID) -> None:
    """Remove an entity, whatever its version. Raises NotFoundError and InUseError."""
    await session.delete(await get(session, kind, entity_id, lock=True))
    try:
        await session.flush()
    except IntegrityError as error:
        if sqlstate(error) not in FOREIGN_KEY_VIOLATIONS:
            raise
        raise InUseError("Another entity refers to it.") from error


def sqlstate(error: IntegrityError) -> str:
    """Return PostgreSQL's five-character code."""
    return str(getattr(error.orig, "sqlstate", ""))


async def _known(session: AsyncSession, entity: E) -> E | None:
    """Return what an earlier request with this key, or for this name, has created."""
    if entity.idempotency_key is not None:
        by_key = select(BaseEntity.id, BaseEntity.fingerprint).where(
            BaseEntity.idempotency_key == entity.idempotency_key
        )
        if (found := (await session.execute(by_key)).one_or_none()) is not None:
            if found.fingerprint != entity.fingerprint:
                raise KeyReusedError("The idempotency key came before, with another body.")
            return await get(session, type(entity), found.id)
    by_name = select(type(entity)).where(type(entity).name == entity.name)
    named = await session.scalar(by_name)
    if named is not None and named.fingerprint != entity.fingerprint:
        raise NameTakenError(f'The name "{entity.name}" is taken, by {named.id}.')
    return named


async def _see_references(session: AsyncSession, entity: BaseEntity) -> None:
    """Lock what the entity refers to as its foreign keys will: what was seen is there when they look."""
    for column, kind in REFERENCES.items():
        wanted = getattr(entity, column, None)
        lock = {"read": True, "key_share": True, "of": kind.__table__}
        if wanted is not None and await session.get(kind, wanted, with_for_update=lock) is None:
            raise UnknownReferenceError(f"{column}: there is no {kind.__name__.lower()} {wanted}.")
