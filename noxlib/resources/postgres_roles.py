"""What roles without superuser rights can change outside of their database: passwords, settings, members.

Databases come and go, roles stay: `ALTER ROLE app SET search_path = ...` in one test would be the next
test's surprise, and so would `GRANT app TO reader`, which PostgreSQL 15 allows app itself.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from noxlib.resources import postgres_sql

ROLES = """
SELECT a.oid, a.rolpassword, (SELECT s.setconfig FROM pg_db_role_setting s
  WHERE s.setrole = a.oid AND s.setdatabase = 0) FROM pg_authid a WHERE NOT a.rolsuper ORDER BY a.oid
"""
MEMBERS = """
SELECT m::text, coalesce(g.rolsuper, false) FROM pg_auth_members m LEFT JOIN pg_authid g ON g.oid = m.grantor
"""


class RoleGuard:
    """Remember the roles as they are, and put them back."""

    def __init__(self, dsn: Mapping[str, Any], role: str) -> None:
        """Look at the roles through the server's first database."""
        self._dsn = dsn
        self._doing = threading.Lock()
        with postgres_sql.connected(dsn) as connection:
            self._roles = self._look(connection)
            self._members = {row for row, _ in connection.run(MEMBERS)}
            self._super = bool(
                connection.run("SELECT rolsuper FROM pg_roles WHERE rolname = :r", r=role)[0][0]
            )

    def restore(self) -> None:
        """Undo what tests did to the roles. A superuser may do anything: nobody tries."""
        if self._super:
            return
        with self._doing, postgres_sql.connected(self._dsn) as connection:
            now = self._look(connection)
            changed = {oid: was for oid, was in self._roles.items() if now.get(oid, was) != was}
            members = dict(connection.run(MEMBERS))
            missing = self._members - members.keys()
            # What a superuser has granted since is no test's doing.
            added = {row for row, by_superuser in members.items() if not by_superuser} - self._members
            if changed or missing or added:
                connection.run("BEGIN")
                connection.run("SET LOCAL allow_system_table_mods = on")
                for oid, (password, settings) in changed.items():
                    self._put_back(connection, oid, password, settings)
                for row in added:
                    connection.run("DELETE FROM pg_auth_members m WHERE m::text = :row", row=row)
                for row in missing:
                    connection.run(
                        "INSERT INTO pg_auth_members SELECT (CAST(:row AS pg_auth_members)).*", row=row
                    )
                connection.run("COMMIT")

    @staticmethod
    def _put_back(connection: Any, oid: int, password: str | None, settings: list[str] | None) -> None:
        connection.run("UPDATE pg_authid SET rolpassword = :p WHERE oid = :o", p=password, o=oid)
        connection.run("DELETE FROM pg_db_role_setting WHERE setrole = :o AND setdatabase = 0", o=oid)
        if settings:
            connection.run(
                "INSERT INTO pg_db_role_setting VALUES (0, :o, CAST(:s AS text[]))", o=oid, s=settings
            )

    @staticmethod
    def _look(connection: Any) -> dict[int, tuple[str | None, list[str] | None]]:
        return {oid: (password, settings) for oid, password, settings in connection.run(ROLES)}
