"""What a role without superuser rights can change outside of its database: its own password and settings.

Databases come and go, roles stay: `ALTER ROLE app SET search_path = ...` in one test would be the next
test's surprise.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from noxlib.resources import postgres_sql

STATE = """
SELECT a.oid, a.rolpassword, (SELECT s.setconfig FROM pg_db_role_setting s
  WHERE s.setrole = a.oid AND s.setdatabase = 0) FROM pg_authid a WHERE a.rolname = :role
"""


class RoleGuard:
    """Remember a role as it is, and put it back."""

    def __init__(self, dsn: Mapping[str, Any], role: str) -> None:
        """Look at the role through the server's first database."""
        self._dsn = dsn
        self._role = role
        self._doing = threading.Lock()
        with postgres_sql.connected(dsn) as connection:
            self._known = self._state(connection)
            self._super = bool(
                connection.run("SELECT rolsuper FROM pg_roles WHERE rolname = :r", r=role)[0][0]
            )

    def restore(self) -> None:
        """Undo what tests did to the role. A superuser may do anything: nobody tries."""
        if self._super:
            return
        with self._doing, postgres_sql.connected(self._dsn) as connection:
            if self._state(connection) != self._known:
                oid, password, settings = self._known
                connection.run("BEGIN")
                connection.run("SET LOCAL allow_system_table_mods = on")
                connection.run("UPDATE pg_authid SET rolpassword = :p WHERE oid = :o", p=password, o=oid)
                connection.run("DELETE FROM pg_db_role_setting WHERE setrole = :o AND setdatabase = 0", o=oid)
                if settings:
                    connection.run(
                        "INSERT INTO pg_db_role_setting VALUES (0, :o, CAST(:s AS text[]))", o=oid, s=settings
                    )
                connection.run("COMMIT")

    def _state(self, connection: Any) -> list[Any]:
        return list(connection.run(STATE, role=self._role)[0])
