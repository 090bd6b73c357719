"""A template with something of everything that a test may change."""

from __future__ import annotations

SEVERAL = 5  # small tables, one more than the tests let be put back

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
INSERT INTO large SELECT i, repeat('x', 100) FROM generate_series(1, 2500) i;
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
