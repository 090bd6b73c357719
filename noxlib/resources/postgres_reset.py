"""`isolation = "reset"`: hand a database out again when it provably is as its template made it.

What is looked at once the last client has gone (tests/integration/reset_changes.py has the kinds of
change, docs/explanation/reset.md the reasons): the server's counters of inserted, updated and deleted
rows of every relation, catalogs included, so that any DDL shows; the last values of sequences, which no
counter knows; the database's own row and settings, prepared transactions and replication slots; and
whether the counters were reset, as after a crash. They count what was rolled back, too: wrong in the
safe direction. Only a superuser could switch them off, hence the role must have no such rights. A few
small tables are put back; anything else makes the database a used one, to be dropped.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

from noxlib.errors import ResourceError
from noxlib.resources import postgres_sql

SINCE = (15,)  # before, counters travel by UDP and arrive whenever they do
TABLES = 20  # put back at most
BYTES = 256 * 1024  # of one table's contents
CHANGES = 2000  # rows of one table
RESETS = 50  # then a fresh one: what was deleted stays in its files

COUNTERS = """
SELECT c.oid, n.i, n.u, n.d FROM pg_class c,
  LATERAL (SELECT pg_stat_get_tuples_inserted(c.oid) i, pg_stat_get_tuples_updated(c.oid) u,
                  pg_stat_get_tuples_deleted(c.oid) d) n
WHERE c.relkind IN ('r', 't', 'm') AND NOT c.relisshared AND n.i + n.u + n.d > 0
"""
OWN = """
SELECT ROW(to_jsonb(d) - ARRAY['oid', 'datname', 'datfrozenxid', 'datminmxid'],
  (SELECT array_agg(ROW(s.setrole, s.setconfig)::text ORDER BY s.setrole)
    FROM pg_db_role_setting s WHERE s.setdatabase = d.oid),
  (SELECT array_agg(x.gid) FROM pg_prepared_xacts x WHERE x.database = d.datname),
  (SELECT array_agg(r.slot_name) FROM pg_replication_slots r WHERE r.database = d.datname),
  (SELECT array_agg(c.description) FROM pg_shdescription c WHERE c.objoid = d.oid),
  (SELECT b.stats_reset FROM pg_stat_database b WHERE b.datid = d.oid))::text
FROM pg_database d WHERE d.datname = current_database()
"""
EPOCH = "SELECT stats_reset::text FROM pg_stat_bgwriter"  # a crash, or a superuser, begins another
TABLES_SQL = """
SELECT c.oid, c.reltoastrelid, format('%I.%I', n.nspname, c.relname),
  (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.oid >= 16384
  AND pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) <= :most
  AND EXISTS (SELECT FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
  AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgenabled IN ('A', 'R'))
  AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_enabled IN ('A', 'R'))
"""
SEQUENCES = """
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' ORDER BY c.oid
"""
ROLES = """
SELECT r.rolname, r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolreplication FROM pg_roles r
WHERE pg_has_role(:role, r.oid, 'MEMBER') ORDER BY r.rolname <> :role, r.rolname
"""
RIGHTS = ("SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION")
FAR = {"pg_execute_server_program", "pg_write_server_files", "pg_create_subscription"}
UNCOUNTED = """
SELECT current_setting('track_counts') <> 'on' OR has_parameter_privilege(:role, 'track_counts', 'SET')
  OR EXISTS (SELECT FROM (SELECT unnest(setconfig) FROM pg_db_role_setting
      UNION ALL SELECT unnest(proconfig) FROM pg_proc) s (setting)
    WHERE setting ~* '^track_counts=' AND lower(setting) <> 'track_counts=on')
"""
# Whatever the database's settings say: names mean the catalog's, and values survive being written and read.
PLAIN = """
SET search_path = pg_catalog; SET default_transaction_read_only = off; SET statement_timeout = 0;
SET extra_float_digits = 3; SET datestyle = 'ISO'; SET intervalstyle = 'postgres';
SET array_nulls = on; SET xmloption = 'content'
"""


@dataclass(frozen=True, slots=True)
class _Table:
    name: str  # quoted, with its schema
    columns: str
    toast: int
    contents: bytes


@dataclass(slots=True)
class _Seen:
    """How a database looked when it was last known to be as its template made it."""

    epoch: str = ""  # of the counters
    counters: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    resets: int = 0


class Resetter:
    """Know how a fresh database looks, and bring used ones back to that."""

    def __init__(self, role: str, place: str) -> None:
        """Take the role that tests connect as, and where services.toml asks for this."""
        self._role = role
        self._place = place
        self._tables: dict[int, _Table] = {}
        self._sequences: list[str] = []
        self._values: list[Any] = []
        self._own = ""
        self._seen: dict[str, _Seen] = {}

    def learn(self, connection: Any) -> None:
        """Look at a fresh database through its connection. Raises ResourceError."""
        if postgres_sql.server_version(connection) < SINCE:
            raise ResourceError(
                f'{self._place}.isolation: "reset" needs PostgreSQL {SINCE[0]} or newer',
                remedy='set version = ">=15", or use "clone"',
            )
        self._refuse(connection)
        connection.execute_simple(PLAIN)
        self._sequences = [name for (name,) in connection.run(SEQUENCES)]
        self._values = self._sequence_values(connection)
        self._own = self._own_state(connection)
        for oid, toast, name, columns in connection.run(TABLES_SQL, most=BYTES):
            stream = io.BytesIO()
            connection.run(f"COPY {name} ({columns}) TO STDOUT", stream=stream)
            self._tables[oid] = _Table(name, columns, toast, stream.getvalue())

    def made(self, connection: Any, name: str) -> None:
        """Note a database that was just made, through any connection."""
        self._seen[name] = _Seen(epoch=self._epoch(connection))

    def reset(self, connection: Any, name: str) -> bool:
        """Bring a database back that nobody else can connect to; False when it is beyond that."""
        connection.execute_simple(PLAIN)
        seen = self._seen[name]
        if seen.resets >= RESETS or self._epoch(connection) != seen.epoch:
            return False
        if self._own_state(connection) != self._own:
            return False
        counters = self._counters(connection)
        touched = {oid for oid, counts in counters.items() if counts != seen.counters.get(oid)}
        if seen.counters.keys() - counters.keys() or not self._can_put_back(touched, counters, seen):
            return False
        moved = self._sequence_values(connection) != self._values
        if touched or moved:
            self._put_back(connection, touched, moved=moved)
            seen.counters = self._counters(connection)
            seen.resets += 1
        return True

    def rename(self, name: str, new: str) -> None:
        """Know a database by its new name."""
        self._seen[new] = self._seen.pop(name)

    def forget(self, name: str) -> None:
        """Drop what is known of a database that is gone."""
        self._seen.pop(name, None)

    def _refuse(self, connection: Any) -> None:
        """Refuse a role whose doings the counters don't show, or not all of them."""
        for name, *rights in connection.run(ROLES, role=self._role):
            held = [right for right, has in zip(RIGHTS, rights, strict=True) if has]
            held += [name] if name in FAR else []
            if held:
                through = "" if name in {self._role, *FAR} else f" as a member of {name}"
                raise ResourceError(
                    f'{self._place}.isolation: "reset" needs a role that reaches no further than its '
                    f"database, and {self._role} has {', '.join(held)}{through}",
                    remedy='give the service a role of its own, such as role = "app", or use "clone"',
                )
        if connection.run(UNCOUNTED, role=self._role)[0][0]:
            raise ResourceError(
                f'{self._place}.isolation: "reset" needs the server\'s counters, and track_counts is off or '
                f"{self._role} may set it",
                remedy='leave track_counts alone in settings, init_sql and migrations, or use "clone"',
            )

    def _can_put_back(
        self, touched: set[int], counters: dict[int, tuple[int, int, int]], seen: _Seen
    ) -> bool:
        toasts = {self._tables[oid].toast for oid in touched & self._tables.keys()}
        tables = touched - toasts
        return len(tables) <= TABLES and all(
            oid in self._tables and sum(counters[oid]) - sum(seen.counters.get(oid, ())) <= CHANGES
            for oid in tables
        )

    def _put_back(self, connection: Any, touched: set[int], *, moved: bool) -> None:
        connection.run("BEGIN")
        # No triggers, no rules, no foreign keys: contents as they were, whatever their order.
        connection.run("SET LOCAL session_replication_role = replica")
        for oid in touched & self._tables.keys():
            table = self._tables[oid]
            connection.run(f"DELETE FROM ONLY {table.name}")  # noqa: S608  quoted by the server
            if table.contents:
                stream = io.BytesIO(table.contents)
                connection.run(f"COPY {table.name} ({table.columns}) FROM STDIN", stream=stream)
        if moved:
            for name, (last, called) in zip(self._sequences, self._values, strict=True):
                connection.run("SELECT setval(:name, :last, :called)", name=name, last=last, called=called)
        connection.run("COMMIT")
        connection.run("SELECT pg_stat_force_next_flush()")

    @staticmethod
    def _counters(connection: Any) -> dict[int, tuple[int, int, int]]:
        return {
            oid: (inserted, updated, deleted) for oid, inserted, updated, deleted in connection.run(COUNTERS)
        }

    @staticmethod
    def _epoch(connection: Any) -> str:
        return str(connection.run(EPOCH)[0][0])

    @staticmethod
    def _own_state(connection: Any) -> str:
        return str(connection.run(OWN)[0][0])

    def _sequence_values(self, connection: Any) -> list[Any]:
        if not self._sequences:
            return []
        parts = [
            f"SELECT {number}, last_value, is_called FROM {name}"  # noqa: S608  quoted by the server
            for number, name in enumerate(self._sequences)
        ]
        rows = connection.run(" UNION ALL ".join(parts))
        return [values for _, *values in sorted(rows)]
