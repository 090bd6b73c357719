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
# How to grant and to revoke each membership; PostgreSQL 16 brought options, and several grantors for one.
MEMBERS = """
SELECT format('%I TO %I%s GRANTED BY %I', r.rolname, m.rolname, CASE
    WHEN o.options ? 'set_option' THEN format(' WITH ADMIN %s, INHERIT %s, SET %s',
      o.options ->> 'admin_option', o.options ->> 'inherit_option', o.options ->> 'set_option')
    WHEN (o.options ->> 'admin_option')::bool THEN ' WITH ADMIN OPTION' ELSE '' END, g.rolname),
  format('%I FROM %I GRANTED BY %I CASCADE', r.rolname, m.rolname, g.rolname), g.rolsuper
FROM pg_auth_members x CROSS JOIN LATERAL (SELECT to_jsonb(x)) o (options)
  JOIN pg_roles r ON r.oid = x.roleid JOIN pg_roles m ON m.oid = x.member
  JOIN pg_roles g ON g.oid = x.grantor ORDER BY x.admin_option DESC
"""


class RoleGuard:
    """Remember the roles as they are, and put them back."""

    def __init__(self, dsn: Mapping[str, Any], role: str) -> None:
        """Look at the roles through the server's first database."""
        self._dsn = dsn
        self._doing = threading.Lock()
        with postgres_sql.connected(dsn) as connection:
            self._roles = self._look(connection)
            self._members = [grant for grant, *_ in connection.run(MEMBERS)]
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
            members = connection.run(MEMBERS)
            there = {grant for grant, *_ in members}
            missing = [grant for grant in self._members if grant not in there]
            # What a superuser has granted since is no test's doing.
            added = [
                revoke for grant, revoke, by_super in members if not by_super and grant not in self._members
            ]
            if changed or missing or added:
                connection.run("BEGIN")
                connection.run("SET LOCAL allow_system_table_mods = on")
                for oid, (password, settings) in changed.items():
                    self._put_back(connection, oid, password, settings)
                # By commands: PostgreSQL 16 keeps dependencies of memberships.
                for revoke in added:
                    connection.execute_simple(f"REVOKE {revoke}")
                for grant in missing:
                    connection.execute_simple(f"GRANT {grant}")
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
