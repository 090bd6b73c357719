"""Write a record for every entity that a session inserts, updates or deletes, in its transaction.

The ORM's own events do it, not each place that changes an entity. A statement that passes them by, such
as `session.execute(update(Skill))`, has to bring its record along: the database doesn't commit it without
(migrations/versions/004_audit_trail.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import event, insert, inspect
from sqlalchemy.orm import Session, UOWTransaction

from plant.audit.tables import AuditRecord
from plant.embeddings import digest
from plant.entities import BaseEntity

ACTOR = "plant.actor"  # the key of `Session.info`
NOBODY = "anonymous"
# Not the entity's own: the record has them itself, or they are about the request.
LEFT_OUT = {"id", "tenant", "kind", "version", "created_at", "updated_at", "idempotency_key", "fingerprint"}


def install(session: type[Session]) -> None:
    """Let sessions of this class record what they flush."""
    event.listen(session, "after_flush", _record)


def _record(session: Session, _: UOWTransaction) -> None:
    actor = session.info.get(ACTOR, NOBODY)
    changed = (each for each in session.dirty if session.is_modified(each))
    found = [
        *(("insert", each) for each in session.new),
        *(("update", each) for each in changed),
        *(("delete", each) for each in session.deleted),
    ]
    rows = [_row(action, each, actor) for action, each in found if isinstance(each, BaseEntity)]
    # The database chains them one after the other, in this order.
    for row in rows:
        session.execute(insert(AuditRecord).values(row))


def _row(action: str, entity: BaseEntity, actor: str) -> dict[str, Any]:
    return {
        "entity_id": entity.id,
        "kind": entity.kind,
        "action": action,
        "version": entity.version,
        "actor": actor,
        "payload": snapshot(entity),
    }


def snapshot(entity: BaseEntity) -> dict[str, Any]:
    """Return an entity's own values as JSON has them; of an embedding its digest."""
    columns = (each.key for each in inspect(type(entity)).column_attrs)
    return {key: _plain(getattr(entity, key)) for key in sorted(columns) if key not in LEFT_OUT}


def _plain(value: Any) -> Any:
    if isinstance(value, (UUID, datetime)):
        return str(value)
    if isinstance(value, (str, int)) or value is None:
        return value
    return digest(value)
