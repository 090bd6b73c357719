"""Kinds of change that a test may make in its database, as the role without superuser rights."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pg8000.native
from reset_schema import SEVERAL

AGAIN, DROPPED = "again", "dropped"


class Site:
    """A leased database as its test sees it."""

    def __init__(self, open_one: Callable[..., pg8000.native.Connection]) -> None:
        self._open = open_one

    @contextlib.contextmanager
    def connected(self, user: str = "app") -> Any:
        """Connect; the server may end the connection first."""
        connection = self._open(user)
        try:
            yield connection
        finally:
            with contextlib.suppress(pg8000.native.InterfaceError, OSError):
                connection.close()

    def vanish(self, *statements: str) -> None:
        """Run statements and go without a goodbye."""
        connection = self._open("app")
        for statement in statements:
            connection.execute_simple(statement)
        connection._usock.close()  # noqa: SLF001  the socket alone: no Terminate is sent
        with contextlib.suppress(Exception):
            connection.close()


Do = Callable[[Site], None]


@dataclass(frozen=True, slots=True)
class Change:
    """What is done, what becomes of the database then, and whether anything is to be seen of it before."""

    name: str
    do: Do
    then: str
    visible: bool = True


def sql(*statements: str) -> Do:
    """Run statements one by one in one connection, each in its own transaction unless they say otherwise."""

    def do(site: Site) -> None:
        with site.connected() as connection:
            for statement in statements:
                connection.execute_simple(statement)

    return do


def again(name: str, *statements: str | Do) -> Change:
    return Change(name, _do(statements), AGAIN)


def unseen(name: str, *statements: str | Do) -> Change:
    """Nothing is to be seen afterwards, and the database is handed out again."""
    return Change(name, _do(statements), AGAIN, visible=False)


def dropped(name: str, *statements: str | Do) -> Change:
    return Change(name, _do(statements), DROPPED)


def wasted(name: str, *statements: str | Do) -> Change:
    """Nothing is to be seen afterwards, and the database is dropped all the same."""
    return Change(name, _do(statements), DROPPED, visible=False)


def _do(statements: tuple[str | Do, ...]) -> Do:
    if len(statements) == 1 and callable(statements[0]):
        return statements[0]
    return sql(*(each for each in statements if isinstance(each, str)))


def copied(site: Site) -> None:
    with site.connected() as connection:
        connection.run("COPY plain (id, word) FROM STDIN", stream=io.BytesIO(b"90\tcopied\n91\ttwo\n"))


def copied_frozen(site: Site) -> None:
    with site.connected() as connection:
        connection.run("BEGIN")
        connection.run("TRUNCATE watched")
        connection.run("COPY watched FROM STDIN (FREEZE)", stream=io.BytesIO(b"5\n"))
        connection.run("COMMIT")


def ended_itself(site: Site) -> None:
    with site.connected() as connection:
        connection.run("INSERT INTO audit VALUES ('before')")
        with contextlib.suppress(pg8000.native.Error):
            connection.run("SELECT pg_terminate_backend(pg_backend_pid())")


def ended_in_a_transaction(site: Site) -> None:
    with site.connected() as one, site.connected() as other:
        pid = one.run("SELECT pg_backend_pid()")[0][0]
        one.execute_simple("BEGIN; UPDATE plain SET word = 'unsaid'")
        other.run("SELECT pg_terminate_backend(:pid)", pid=pid)


def by_another_role(site: Site) -> None:
    with site.connected() as connection:
        connection.execute_simple("GRANT INSERT ON audit TO reader")
    with site.connected("reader") as connection:
        connection.run("INSERT INTO audit VALUES ('reader')")


def own_role_of_reader(site: Site) -> None:
    with site.connected("reader") as connection:
        connection.run("ALTER ROLE reader SET work_mem = '6MB'")


def two_phases(end: str) -> Do:
    return sql("BEGIN; INSERT INTO audit VALUES ('2')", "PREPARE TRANSACTION 'x'", f"{end} PREPARED 'x'")


ROWS = (
    unseen("nothing at all", "SELECT 1"),
    unseen("rows read", "SELECT * FROM plain", "SELECT count(*) FROM large"),
    unseen("rows locked", "BEGIN; SELECT * FROM plain FOR UPDATE", "COMMIT"),
    again("a row inserted", "INSERT INTO plain (id, word) VALUES (90, 'x')"),
    again("a row inserted with its serial", "INSERT INTO plain (word) VALUES ('x')"),
    again("rows updated", "UPDATE plain SET word = word || 'x', number = 1"),
    unseen("rows updated to what they are", "UPDATE plain SET word = word"),
    again("a row deleted", "DELETE FROM plain WHERE id = 1"),
    again("all rows deleted", "DELETE FROM plain"),
    unseen("a row inserted and deleted", "INSERT INTO person VALUES (9)", "DELETE FROM person WHERE id = 9"),
    again(
        "an upsert", "INSERT INTO plain (id, word) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET word = 'up'"
    ),
    unseen("an upsert of nothing", "INSERT INTO person VALUES (1) ON CONFLICT DO NOTHING"),
    again(
        "a merge",
        "MERGE INTO person p USING (VALUES (2), (8)) v (id) ON p.id = v.id"
        " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id)",
    ),
    again(
        "a writing query",
        "WITH gone AS (DELETE FROM watched RETURNING id) INSERT INTO fast SELECT * FROM gone",
    ),
    again("rows copied", copied),
    dropped("rows copied frozen", copied_frozen),
    again(
        "a row at the cursor",
        "BEGIN; DECLARE c CURSOR FOR SELECT * FROM pet FOR UPDATE; FETCH c",
        "DELETE FROM pet WHERE CURRENT OF c",
        "COMMIT",
    ),
    again("a prepared statement", "PREPARE p AS INSERT INTO audit VALUES ($1); EXECUTE p ('p')"),
    unseen("a transaction rolled back", "BEGIN; UPDATE plain SET word = 'x'; DELETE FROM pet", "ROLLBACK"),
    again(
        "a savepoint rolled back",
        "BEGIN; DELETE FROM pet; SAVEPOINT s; DELETE FROM audit",
        "ROLLBACK TO s",
        "INSERT INTO audit VALUES ('kept')",
        "COMMIT",
    ),
    again(
        "savepoints within savepoints",
        "BEGIN; SAVEPOINT a; INSERT INTO audit VALUES ('a'); SAVEPOINT b",
        "INSERT INTO audit VALUES ('b')",
        "RELEASE b",
        "RELEASE a",
        "COMMIT",
    ),
    again(
        "a caught error",
        "DO 'BEGIN INSERT INTO audit VALUES (1); BEGIN DELETE FROM pet; PERFORM 1/0;"
        " EXCEPTION WHEN division_by_zero THEN NULL; END; END'",
    ),
    again(
        "a commit within a procedure",
        "DO 'BEGIN INSERT INTO audit VALUES (1); COMMIT; DELETE FROM pet; ROLLBACK; END'",
    ),
    again("an inherited row", "UPDATE parent SET word = 'x' WHERE id = 2"),
    again("the parent's row alone", "DELETE FROM ONLY parent"),
    again("a row of a partition", "INSERT INTO parted VALUES (5, 'x')"),
    again("a row moved to another partition", "UPDATE parted SET id = 15 WHERE id = 1"),
    again("a generated column", "UPDATE priced SET cents = 1"),
    again("an identity", "INSERT INTO priced (cents) VALUES (1)"),
    again("an identity overridden", "INSERT INTO priced (id, cents) OVERRIDING SYSTEM VALUE VALUES (77, 1)"),
    again("a cascading delete", "DELETE FROM person WHERE id = 1"),
    again("a cascading update", "UPDATE person SET id = 11 WHERE id = 1"),
    again(
        "deferred constraints",
        "BEGIN; DELETE FROM account; INSERT INTO account VALUES (5, 6); INSERT INTO account VALUES (6, 5)",
        "COMMIT",
    ),
    again("a large value replaced", "UPDATE toasted SET body = repeat('b', 9000) WHERE id = 1"),
    again("a large value added", "INSERT INTO toasted SELECT 3, repeat(md5('x'), 3000)"),
    again("a large value beside another", "UPDATE toasted SET id = 9 WHERE id = 1"),
    again("a row beside XML", "INSERT INTO document (id) VALUES (2)"),
    again("an unlogged table", "INSERT INTO fast VALUES (2)"),
    again("a trigger that writes elsewhere", "INSERT INTO watched VALUES (2)"),
    dropped("a trigger that fires always", "INSERT INTO always VALUES (2)"),
    again("a rule that writes elsewhere", "INSERT INTO ruled VALUES (2)"),
    again("a view that is written through", "INSERT INTO words VALUES (80, 'view')"),
    again("a row behind row-level security", "INSERT INTO secret VALUES ('app', 'more')"),
    again("odd names", 'UPDATE "Odd Schema"."Odd ""Table" SET "Odd: col" = 2'),
    again("many small tables", *(f"DELETE FROM many_{n}" for n in range(SEVERAL - 1))),
    dropped("too many small tables", *(f"DELETE FROM many_{n}" for n in range(SEVERAL))),
    dropped("too many rows of a small table", "INSERT INTO audit SELECT i FROM generate_series(1, 3000) i"),
    dropped("a row of a large table", "DELETE FROM large WHERE id = 1"),
    wasted("a large table rolled back", "BEGIN; UPDATE large SET filler = 'x'", "ROLLBACK"),
    dropped("a row without columns", "INSERT INTO bare DEFAULT VALUES"),
    dropped("a row by another role", by_another_role),
    dropped("truncate", "TRUNCATE watched"),
    dropped("truncate of a large table", "TRUNCATE large"),
    dropped("truncate of many by cascade", "TRUNCATE person CASCADE"),
    dropped("truncate with its identity", "TRUNCATE priced RESTART IDENTITY"),
    dropped("truncate of partitions", "TRUNCATE parted"),
    wasted(
        "truncate rolled back",
        "BEGIN; INSERT INTO pet VALUES (8, 1); TRUNCATE pet; INSERT INTO pet VALUES (9, 2)",
        "ROLLBACK",
    ),
    dropped("truncate of an empty table", "TRUNCATE audit"),
)
SEQUENCES = (
    again("nextval", "SELECT nextval('plain_id_seq')"),
    again("nextval rolled back", "BEGIN; SELECT nextval('plain_id_seq')", "ROLLBACK"),
    again("the first nextval", "SELECT nextval('never')"),
    again("nextval of cached values", "SELECT nextval('cached')"),
    unseen("currval", "SELECT last_value FROM cached"),
    again("setval", "SELECT setval('plain_id_seq', 1000)"),
    again("setval that isn't called", "SELECT setval('plain_id_seq', 3, false)"),
    again("an identity's sequence", "SELECT setval(pg_get_serial_sequence('priced', 'id'), 50)"),
    again("an odd sequence", """SELECT nextval('"Odd Schema"."Odd Sequence"')"""),
    dropped("a sequence restarted", "ALTER SEQUENCE plain_id_seq RESTART 50"),
    dropped("another increment", "ALTER SEQUENCE never INCREMENT BY 7"),
    dropped("an identity restarted", "ALTER TABLE priced ALTER id RESTART WITH 9"),
    dropped("a sequence's owner", "ALTER SEQUENCE never OWNED BY plain.word"),
    dropped("a sequence created", "CREATE SEQUENCE more"),
    dropped("a sequence dropped", "DROP SEQUENCE never"),
)
LARGE_OBJECTS = (
    unseen("a large object read", "SELECT lo_get(4711)"),
    dropped("a large object created", "SELECT lo_from_bytea(0, 'new')"),
    dropped("a large object written", "SELECT lo_put(4711, 0, 'LARGE')"),
    dropped("a large object cut", "BEGIN; SELECT lo_truncate(lo_open(4711, 131072), 3)", "COMMIT"),
    dropped("a large object removed", "SELECT lo_unlink(4711)"),
    dropped("a large object granted", "GRANT SELECT ON LARGE OBJECT 4711 TO reader"),
    dropped("a large object commented", "COMMENT ON LARGE OBJECT 4711 IS 'x'"),
    wasted("a large object rolled back", "BEGIN; SELECT lo_unlink(4711)", "ROLLBACK"),
)


def on_database(words: str) -> str:
    return f"DO $do$BEGIN EXECUTE format($${words}$$, current_database()); END$do$"


SETTINGS = (
    dropped("database setting", on_database("ALTER DATABASE %I SET work_mem = '7MB'")),
    dropped("database setting reset", on_database("ALTER DATABASE %I RESET work_mem")),
    dropped("all database settings reset", on_database("ALTER DATABASE %I RESET ALL")),
    dropped(
        "misleading search path",
        "CREATE SCHEMA mine; CREATE TABLE mine.pg_database (datname name); CREATE FUNCTION"
        " mine.current_database() RETURNS name LANGUAGE sql AS 'SELECT NULL::name'",
        on_database("ALTER DATABASE %I SET search_path = mine, pg_catalog"),
    ),
    dropped("read-only from now on", on_database("ALTER DATABASE %I SET default_transaction_read_only = on")),
    dropped(
        "role's setting in the database", on_database("ALTER ROLE app IN DATABASE %I SET work_mem = '7MB'")
    ),
    dropped("connection limit", on_database("ALTER DATABASE %I CONNECTION LIMIT 5")),
    dropped("comment on the database", on_database("COMMENT ON DATABASE %I IS 'x'")),
    again("role's setting", "ALTER ROLE app SET work_mem = '7MB'"),
    again("role's setting reset", "ALTER ROLE app RESET ALL"),
    again("role's password", "ALTER ROLE app PASSWORD 'other'"),
    again("another role's setting", own_role_of_reader),
    again("role granted", "GRANT team TO reader"),
    again("role granted, and given up", "GRANT team TO reader", "REVOKE team FROM app"),
    again("role granted with its admin option", "GRANT team TO reader WITH ADMIN OPTION"),
)
SESSIONS = (
    unseen(
        "session setting",
        "SET work_mem = '9MB'",
        "SET search_path = 'x'",
        "SELECT set_config('my.own', 'x', false)",
    ),
    unseen("role switched", "SET ROLE team"),
    unseen("session's transactions", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"),
    unseen("advisory lock", "SELECT pg_advisory_lock(42)"),
    unseen("advisory lock of a transaction", "BEGIN; SELECT pg_advisory_xact_lock(42)"),
    unseen("table lock", "BEGIN; LOCK TABLE plain IN ACCESS EXCLUSIVE MODE"),
    unseen("listen", "LISTEN news"),
    unseen("notify", "LISTEN news", "SELECT pg_notify('news', 'x')"),
    unseen(
        "cursor that outlives its transaction",
        "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT * FROM plain",
        "COMMIT; FETCH c",
    ),
    unseen("prepared statement left", "PREPARE p AS SELECT 1"),
    unseen("snapshot exported", "BEGIN; SELECT pg_export_snapshot()"),
    unseen("discard all", "SET work_mem = '9MB'", "DISCARD ALL"),
    unseen(
        "file of a sort",
        "SET work_mem = '64kB'; SELECT count(*) FROM (SELECT * FROM large ORDER BY filler, id DESC) x",
    ),
    unseen("logical message", "SELECT pg_logical_emit_message(true, 'x', 'y')"),
    again("backend that ends itself", ended_itself),
    unseen("backend ended in a transaction", ended_in_a_transaction),
    unseen("client gone in a transaction", lambda site: site.vanish("BEGIN", "UPDATE plain SET word = 'x'")),
    again("client gone without a goodbye", lambda site: site.vanish("INSERT INTO audit VALUES ('x')")),
    again("two-phase commit", two_phases("COMMIT")),
    unseen("two-phase rollback", two_phases("ROLLBACK")),
)
UPKEEP = (
    unseen("vacuum", "VACUUM plain"),
    dropped("vacuum full", "VACUUM FULL watched"),
    wasted("analyze", "ANALYZE pet"),
    dropped(
        "statistics of changed rows", "DELETE FROM pet; INSERT INTO pet VALUES (7, 1), (8, 1)", "ANALYZE pet"
    ),
    dropped("cluster", "CLUSTER plain USING plain_pkey"),
    dropped("reindex", "REINDEX TABLE plain"),
    dropped("reindex concurrently", "REINDEX TABLE CONCURRENTLY plain"),
)
KINDS = {
    "rows": ROWS,
    "sequences": SEQUENCES,
    "large objects": LARGE_OBJECTS,
    "settings": SETTINGS,
    "sessions": SESSIONS,
    "upkeep": UPKEEP,
}
