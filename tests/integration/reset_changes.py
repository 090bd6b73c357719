"""Kinds of change that a test may make in its database, as the role without superuser rights."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pg8000.native

AGAIN, DROPPED = "again", "dropped"
SEVERAL = 21  # one more than are put back

INIT_SQL = (
    "CREATE ROLE reader LOGIN",
    "CREATE ROLE team",
    "GRANT team TO app WITH ADMIN OPTION",
    "GRANT CREATE ON SCHEMA public TO team",
    "GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO app",
    "ALTER ROLE app SET idle_session_timeout = '1h'",
)
EXTENSIONS = ("postgres_fdw",)
SCHEMA = rf"""
CREATE TABLE plain (id serial PRIMARY KEY, word text NOT NULL, number float8 DEFAULT 0.1, words text[],
  at timestamptz DEFAULT '2026-01-02 03:04:05.678901+00', took interval, raw bytea);
INSERT INTO plain (word, number, words, took, raw) VALUES
  ('one', 0.1::float8 + 0.2::float8, '{{a,NULL,"NULL",""}}', '-1 day +02:03:04.5', '\x00ff0a'),
  (E'tab\there\nline\\N', 'Infinity', NULL, '1 mon -1 day', ''), ('', 'NaN', '{{}}', NULL, NULL);
CREATE TABLE document (id int, body xml);
DO $$BEGIN INSERT INTO document VALUES (1, 'no root <b/>'); EXCEPTION WHEN feature_not_supported THEN NULL; END$$;
CREATE TABLE large (id int PRIMARY KEY, filler text);
INSERT INTO large SELECT i, repeat('x', 100) FROM generate_series(1, 4000) i;
CREATE TABLE parent (id int, word text);
CREATE TABLE child (more int) INHERITS (parent);
INSERT INTO parent VALUES (1, 'p');
INSERT INTO child VALUES (2, 'c', 3);
CREATE TABLE parted (id int, word text) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted VALUES (1, 'low'), (11, 'high');
CREATE TABLE priced (id bigint GENERATED ALWAYS AS IDENTITY, cents int,
  euros numeric GENERATED ALWAYS AS (cents / 100.0) STORED);
INSERT INTO priced (cents) VALUES (100), (250);
CREATE TABLE person (id int PRIMARY KEY);
CREATE TABLE pet (id int, person int REFERENCES person ON DELETE CASCADE ON UPDATE CASCADE);
INSERT INTO person VALUES (1), (2);
INSERT INTO pet VALUES (1, 1), (2, 1), (3, 2);
CREATE TABLE account (id int PRIMARY KEY, friend int REFERENCES account DEFERRABLE INITIALLY DEFERRED);
INSERT INTO account VALUES (1, 2), (2, 1);
CREATE TABLE audit (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO audit VALUES (TG_OP); RETURN NULL; END';
CREATE TABLE watched (id int);
INSERT INTO watched VALUES (1);
CREATE TRIGGER watch AFTER INSERT OR DELETE ON watched FOR EACH ROW EXECUTE FUNCTION note();
CREATE TABLE always (id int);
CREATE TRIGGER watch AFTER INSERT ON always FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE always ENABLE ALWAYS TRIGGER watch;
CREATE TABLE ruled (id int);
CREATE RULE tell AS ON INSERT TO ruled DO ALSO INSERT INTO audit VALUES ('rule');
CREATE RULE refuse AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE UNLOGGED TABLE fast (id int);
INSERT INTO fast VALUES (1);
CREATE TABLE bare ();
CREATE TABLE toasted (id int PRIMARY KEY, body text);
ALTER TABLE toasted ALTER body SET STORAGE EXTERNAL;
INSERT INTO toasted VALUES (1, repeat('a', 9000)), (2, 'small');
CREATE TABLE secret (owner text, word text);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE secret FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = current_user);
INSERT INTO secret VALUES ('app', 'mine');
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Odd ""Table" ("Odd: col" int, gone int, kept text);
ALTER TABLE "Odd Schema"."Odd ""Table" DROP gone;
INSERT INTO "Odd Schema"."Odd ""Table" VALUES (1, 'k');
CREATE SEQUENCE "Odd Schema"."Odd Sequence" START 100 INCREMENT 5;
CREATE SEQUENCE never;
CREATE SEQUENCE cached CACHE 20;
SELECT nextval('cached');
CREATE VIEW words AS SELECT id, word FROM plain;
CREATE MATERIALIZED VIEW summary AS SELECT word, count(*) AS n FROM plain GROUP BY word;
CREATE UNIQUE INDEX ON summary (word);
CREATE INDEX plain_word ON plain (word);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION twice(x int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT x * 2';
CREATE STATISTICS plain_stat ON id, word FROM plain;
SELECT lo_from_bytea(4711, 'large object');
COMMENT ON TABLE plain IS 'as made';
GRANT SELECT ON plain TO reader;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;
{"".join(f"CREATE TABLE many_{n} (id int); INSERT INTO many_{n} VALUES ({n});" for n in range(SEVERAL))}
ALTER DATABASE test SET work_mem = '5MB';
ALTER ROLE app IN DATABASE test SET statement_timeout = '30s';
ALTER DATABASE test SET extra_float_digits = 0;
ALTER DATABASE test SET intervalstyle = 'sql_standard';
ALTER DATABASE test SET datestyle = 'SQL, DMY';
ALTER DATABASE test SET array_nulls = off;
ALTER DATABASE test SET xmloption = 'document';
ALTER DATABASE test SET search_path = '$user', public, pg_catalog;
"""


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
TABLES = (
    dropped("table created", "CREATE TABLE more (id int)"),
    wasted("table created and dropped", "CREATE TABLE more (id int)", "DROP TABLE more"),
    wasted("table created and rolled back", "BEGIN; CREATE TABLE more (id int)", "ROLLBACK"),
    dropped("table as a query", "CREATE TABLE more AS SELECT * FROM plain"),
    dropped("unlogged table created", "CREATE UNLOGGED TABLE more (id int)"),
    dropped("table dropped", "DROP TABLE watched"),
    dropped("table renamed", "ALTER TABLE watched RENAME TO seen"),
    dropped("table moved", 'ALTER TABLE watched SET SCHEMA "Odd Schema"'),
    dropped("column added", "ALTER TABLE watched ADD more int DEFAULT 5"),
    dropped("column dropped", "ALTER TABLE plain DROP number"),
    dropped("column renamed", "ALTER TABLE plain RENAME number TO figure"),
    dropped("column's type", "ALTER TABLE watched ALTER id TYPE bigint"),
    dropped("column's default", "ALTER TABLE watched ALTER id SET DEFAULT 4"),
    dropped("column not null", "ALTER TABLE watched ALTER id SET NOT NULL"),
    dropped("column's statistics", "ALTER TABLE watched ALTER id SET STATISTICS 5"),
    dropped("column's storage", "ALTER TABLE plain ALTER word SET STORAGE EXTERNAL"),
    dropped("check added", "ALTER TABLE watched ADD CHECK (id > 0)"),
    dropped("foreign key added", "ALTER TABLE watched ADD FOREIGN KEY (id) REFERENCES person NOT VALID"),
    dropped("constraint dropped", "ALTER TABLE pet DROP CONSTRAINT pet_person_fkey"),
    dropped("constraint deferred", "ALTER TABLE pet ALTER CONSTRAINT pet_person_fkey DEFERRABLE"),
    dropped("storage parameter", "ALTER TABLE watched SET (fillfactor = 50)"),
    dropped("unlogged made logged", "ALTER TABLE fast SET LOGGED"),
    dropped("replica identity", "ALTER TABLE plain REPLICA IDENTITY FULL"),
    dropped("inheritance ended", "ALTER TABLE child NO INHERIT parent"),
    dropped("partition detached", "ALTER TABLE parted DETACH PARTITION parted_low"),
    dropped("partition added", "CREATE TABLE parted_more PARTITION OF parted DEFAULT"),
    dropped("owner changed", "ALTER TABLE watched OWNER TO team"),
    dropped("temporary table", "CREATE TEMP TABLE passing (id int); INSERT INTO passing VALUES (1)"),
    dropped("trigger created", "CREATE TRIGGER more AFTER INSERT ON pet EXECUTE FUNCTION note()"),
    dropped("trigger switched off", "ALTER TABLE watched DISABLE TRIGGER watch"),
    dropped("trigger made to fire always", "ALTER TABLE watched ENABLE ALWAYS TRIGGER watch"),
    dropped("rule created", "CREATE RULE more AS ON UPDATE TO pet DO ALSO NOTHING"),
    dropped("rule switched off", "ALTER TABLE ruled DISABLE RULE tell"),
    dropped("policy created", "CREATE POLICY more ON secret USING (true)"),
    dropped("policy altered", "ALTER POLICY own ON secret USING (true)"),
    dropped("row-level security switched off", "ALTER TABLE secret DISABLE ROW LEVEL SECURITY"),
    dropped("row-level security not forced", "ALTER TABLE secret NO FORCE ROW LEVEL SECURITY"),
    dropped("index created", "CREATE INDEX more ON pet (id)"),
    dropped("index created concurrently", "CREATE INDEX CONCURRENTLY more ON pet (id)"),
    dropped("index dropped", "DROP INDEX plain_word"),
    dropped("index renamed", "ALTER INDEX plain_word RENAME TO more"),
    dropped("view created", "CREATE VIEW more AS SELECT 1"),
    dropped("view replaced", "CREATE OR REPLACE VIEW words AS SELECT id, word FROM plain WHERE id > 1"),
    dropped("materialized view created", "CREATE MATERIALIZED VIEW more AS SELECT 1"),
    dropped(
        "materialized view refreshed",
        "UPDATE plain SET word = 'x' WHERE id = 1; REFRESH MATERIALIZED VIEW summary",
    ),
    dropped(
        "materialized view refreshed concurrently",
        "UPDATE plain SET word = 'x' WHERE id = 1; REFRESH MATERIALIZED VIEW CONCURRENTLY summary",
    ),
)
OBJECTS = (
    dropped("schema created", "CREATE SCHEMA more"),
    dropped("schema renamed", 'ALTER SCHEMA "Odd Schema" RENAME TO more'),
    dropped("schema dropped", 'DROP SCHEMA "Odd Schema" CASCADE'),
    dropped("function created", "CREATE FUNCTION more() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    dropped(
        "function replaced",
        "CREATE OR REPLACE FUNCTION twice(x int) RETURNS int LANGUAGE sql AS 'SELECT x * 3'",
    ),
    dropped("function dropped", "DROP FUNCTION twice"),
    dropped("function's setting", "ALTER FUNCTION twice SET work_mem = '9MB'"),
    dropped("procedure created", "CREATE PROCEDURE more() LANGUAGE sql AS 'SELECT 1'"),
    dropped("aggregate created", "CREATE AGGREGATE more(int) (sfunc = int4pl, stype = int)"),
    dropped("operator created", "CREATE OPERATOR ## (leftarg = int, rightarg = int, function = int4pl)"),
    dropped("cast created", "CREATE CAST (pair AS text) WITH INOUT"),
    dropped("composite type created", "CREATE TYPE more AS (a int)"),
    dropped("enum created", "CREATE TYPE more AS ENUM ('a')"),
    dropped("enum value added", "ALTER TYPE mood ADD VALUE 'so so'"),
    dropped("enum value renamed", "ALTER TYPE mood RENAME VALUE 'sad' TO 'bad'"),
    dropped("range type created", "CREATE TYPE more AS RANGE (subtype = int)"),
    dropped("attribute added to a type", "ALTER TYPE pair ADD ATTRIBUTE c int"),
    dropped("domain created", "CREATE DOMAIN more AS int"),
    dropped("domain's check dropped", "ALTER DOMAIN positive DROP CONSTRAINT positive_check"),
    dropped("extension created", "CREATE EXTENSION pg_trgm"),
    dropped("collation created", """CREATE COLLATION more (locale = 'C')"""),
    dropped("conversion created", "CREATE CONVERSION more FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1"),
    dropped("text search configuration created", "CREATE TEXT SEARCH CONFIGURATION more (COPY = simple)"),
    dropped("text search dictionary created", "CREATE TEXT SEARCH DICTIONARY more (TEMPLATE = simple)"),
    dropped("publication created", "CREATE PUBLICATION more FOR TABLE plain"),
    dropped("statistics object created", "CREATE STATISTICS more ON id, person FROM pet"),
    dropped("statistics object dropped", "DROP STATISTICS plain_stat"),
    dropped("foreign server created", "CREATE SERVER more FOREIGN DATA WRAPPER postgres_fdw"),
    dropped(
        "foreign table created",
        "CREATE SERVER more FOREIGN DATA WRAPPER postgres_fdw;"
        "CREATE USER MAPPING FOR app SERVER more; CREATE FOREIGN TABLE far (id int) SERVER more",
    ),
    dropped("operator family created", 'CREATE SCHEMA team; DROP SCHEMA "Odd Schema" CASCADE'),
    dropped("comment on a table", "COMMENT ON TABLE plain IS 'x'"),
    dropped("comment on a column", "COMMENT ON COLUMN plain.id IS 'x'"),
    dropped("all that is owned, dropped", "DROP OWNED BY app"),
)
RIGHTS = (
    dropped("grant on a table", "GRANT UPDATE ON plain TO reader"),
    dropped("grant on a column", "GRANT UPDATE (id) ON plain TO reader"),
    dropped("revoke on a table", "REVOKE SELECT ON plain FROM reader"),
    dropped("grant on a schema", 'GRANT USAGE ON SCHEMA "Odd Schema" TO reader'),
    dropped("revoke on a function", "REVOKE EXECUTE ON FUNCTION twice FROM PUBLIC"),
    dropped("grant on a sequence", "GRANT USAGE ON SEQUENCE never TO reader"),
    dropped("default privileges", "ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO reader"),
    dropped("default privileges revoked", "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM reader"),
    dropped(
        "grant on the database",
        "DO 'BEGIN EXECUTE format($$GRANT CREATE ON DATABASE %I TO reader$$, current_database()); END'",
    ),
    dropped(
        "revoke on the database",
        "DO 'BEGIN EXECUTE format($$REVOKE ALL ON DATABASE %I FROM PUBLIC$$, current_database()); END'",
    ),
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
KINDS: dict[str, tuple[Change, ...]] = {
    "rows": ROWS,
    "sequences": SEQUENCES,
    "large objects": LARGE_OBJECTS,
    "tables": TABLES,
    "objects": OBJECTS,
    "rights": RIGHTS,
    "settings": SETTINGS,
    "sessions": SESSIONS,
    "upkeep": UPKEEP,
}
# What PostgreSQL itself refuses this role: were it allowed, the counters or the server could be misled.
REFUSED = {
    "counting switched off": "SET track_counts = off",
    "counters reset": "SELECT pg_stat_reset()",
    "counters of a table reset": "SELECT pg_stat_reset_single_table_counters('plain'::regclass)",
    "counters of the server reset": "SELECT pg_stat_reset_shared('bgwriter')",
    "triggers switched off": "SET session_replication_role = replica",
    "event trigger": "CREATE EVENT TRIGGER more ON ddl_command_start EXECUTE FUNCTION note()",
    "replication slot": "SELECT pg_create_physical_replication_slot('more')",
    "logical replication slot": "SELECT pg_create_logical_replication_slot('more', 'test_decoding')",
    "subscription": "CREATE SUBSCRIPTION more CONNECTION '' PUBLICATION more WITH (connect = false)",
    "foreign data wrapper": "CREATE FOREIGN DATA WRAPPER more",
    "untrusted extension": "CREATE EXTENSION file_fdw",
    "function in C": "CREATE FUNCTION more() RETURNS int LANGUAGE c AS 'more'",
    "base type": "CREATE TYPE more; CREATE FUNCTION i(cstring) RETURNS more LANGUAGE internal AS 'int4in'",
    "operator class": "CREATE OPERATOR CLASS more FOR TYPE int USING btree AS STORAGE int",
    "catalog written": "UPDATE pg_class SET relname = 'x' WHERE relname = 'plain'",
    "server setting": "ALTER SYSTEM SET work_mem = '8MB'",
    "configuration read again": "SELECT pg_reload_conf()",
    "file written": "COPY plain TO '/tmp/noxlib-refused'",
    "program run": "COPY plain TO PROGRAM 'true'",
    "role created": "CREATE ROLE more",
    "own rights raised": "ALTER ROLE app CREATEDB",
    "all roles' setting": "ALTER ROLE ALL SET work_mem = '8MB'",
    "database created": "CREATE DATABASE more",
    "tablespace": "CREATE TABLESPACE more LOCATION '/tmp'",
    "database's owner": on_database("ALTER DATABASE %I OWNER TO team"),
    "security label": "SECURITY LABEL ON TABLE plain IS 'x'",
    "replication origin": "SELECT pg_replication_origin_create('more')",
    "comment on a role": "COMMENT ON ROLE app IS 'x'",
}
