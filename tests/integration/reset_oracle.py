"""What is in a database, told without noxlib: every catalog, every row, every sequence, and what lies outside."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

# Physical, or estimates: no query's result depends on them.
LEFT_OUT = {
    "pg_class": ("relpages", "reltuples", "relallvisible", "relallfrozen", "relfrozenxid", "relminmxid"),
}
# Rows that came with PostgreSQL have only their place and author compared: a change would write another.
BUILT_IN = 16384
WHOSE = {
    "pg_aggregate": "aggfnoid::oid",
    "pg_attribute": "attrelid",
    "pg_depend": "objid",
    "pg_description": "objoid",
    "pg_init_privs": "objoid",
    "pg_statistic": "starelid",
} | dict.fromkeys(
    [
        "pg_amop",
        "pg_amproc",
        "pg_cast",
        "pg_class",
        "pg_collation",
        "pg_conversion",
        "pg_opclass",
        "pg_operator",
        "pg_opfamily",
        "pg_proc",
        "pg_rewrite",
        "pg_ts_config",
        "pg_ts_dict",
        "pg_type",
    ],
    "oid",
)
PLAIN = """
SET search_path = pg_catalog; SET extra_float_digits = 3; SET datestyle = 'ISO'; SET intervalstyle = 'postgres';
SET array_nulls = on
"""
CATALOGS = """
SELECT relname::text FROM pg_class
WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND NOT relisshared
"""
RELATIONS = """
SELECT format('%I.%I', n.nspname, c.relname), c.relkind::text FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT pg_is_other_temp_schema(n.oid)
"""
OUTSIDE = {
    "database": "SELECT (to_jsonb(d) - ARRAY['oid', 'datname', 'datfrozenxid', 'datminmxid', 'datistemplate',"
    " 'datallowconn'])::text FROM pg_database d WHERE datname = current_database()",
    "settings": "SELECT string_agg(concat(setdatabase = 0, setrole, setconfig), '|' ORDER BY setdatabase, setrole)"
    " FROM pg_db_role_setting WHERE setdatabase IN"
    " (0, (SELECT oid FROM pg_database WHERE datname = current_database()))",
    "passwords": "SELECT string_agg(a::text, '|' ORDER BY a.oid) FROM pg_authid a",
    "members": "SELECT string_agg(m::text, '|' ORDER BY roleid, member) FROM pg_auth_members m",
    "parameters": "SELECT string_agg(concat(parname, paracl), '|' ORDER BY parname) FROM pg_parameter_acl",
    "comments": "SELECT string_agg(description, '|') FROM pg_shdescription"
    " WHERE objoid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    "labels": "SELECT string_agg(s::text, '|') FROM pg_shseclabel s",
    "subscriptions": "SELECT string_agg(subname, '|') FROM pg_subscription",
    "dependencies": "SELECT string_agg(concat_ws(',', classid, objid, objsubid, refclassid, refobjid, deptype), '|'"
    " ORDER BY classid, objid, objsubid, refclassid, refobjid, deptype) FROM pg_shdepend"
    " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    "prepared": "SELECT count(*)::text FROM pg_prepared_xacts WHERE database = current_database()",
    "slots": "SELECT count(*)::text FROM pg_replication_slots WHERE database = current_database()",
    "clients": "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid()",
    "locks": "SELECT count(*)::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
    " WHERE d.datname = current_database() AND pid <> pg_backend_pid()",
}
# As the role's own new connection sees it.
OWN = {
    "own settings": "SELECT string_agg(concat(name, setting), '|' ORDER BY name) FROM pg_catalog.pg_settings",
    "own roles": "SELECT concat(current_user, session_user, array_agg(role_name ORDER BY role_name))"
    " FROM information_schema.enabled_roles",
    "own cursors": "SELECT count(*)::text FROM pg_catalog.pg_cursors",
    "own statements": "SELECT count(*)::text FROM pg_catalog.pg_prepared_statements",
    "own channels": "SELECT count(*)::text FROM pg_catalog.pg_listening_channels()",
}

State = dict[str, Any]
Open = Callable[..., Any]


WHOLE = frozenset({"catalogs", "rows", "outside", "own"})


def state(open_one: Open, database: str, parts: frozenset[str] = WHOLE) -> State:
    """Return all that is to be seen of a database: what, and a digest or text of it."""
    found: State = {}
    with contextlib.closing(open_one("postgres", database)) as connection:
        connection.execute_simple(PLAIN)
        queries = [_catalog(name) for (name,) in _rows(connection, CATALOGS)] if "catalogs" in parts else []
        for name, kind in _rows(connection, RELATIONS) if "rows" in parts else ():
            queries.append(_sequence(name) if kind == "S" else _digest(name, "t::text"))
        if queries:
            found = {what: facts for what, *facts in _rows(connection, " UNION ALL ".join(queries))}
        found |= _answers(connection, OUTSIDE)
    if "own" in parts:
        with contextlib.closing(open_one("app", database)) as connection:
            found |= _answers(connection, OWN)
    return found


def differences(template: State, other: State, parts: frozenset[str] = WHOLE) -> dict[str, tuple[Any, Any]]:
    """Return in what two states differ, as far as `parts` were looked at."""
    return {
        what: (template.get(what), other.get(what))
        for what in template.keys() | other
        if _part(what) in parts and template.get(what) != other.get(what)
    }


def _part(what: str) -> str:
    if what.startswith("pg_catalog."):
        return "catalogs"
    return "own" if what in OWN else "outside" if what in OUTSIDE else "rows"


def _answers(connection: Any, queries: dict[str, str]) -> State:
    row = _rows(connection, "SELECT " + ", ".join(f"({query})" for query in queries.values()))[0]
    return dict(zip(queries, row, strict=True))


def _rows(connection: Any, query: str) -> Any:
    # The simple protocol: the driver would look for parameters in each character.
    return connection.execute_simple(query).rows


def _catalog(name: str) -> str:
    row = f"(to_jsonb(t) - ARRAY{list(LEFT_OUT[name])!r})::text" if name in LEFT_OUT else "t::text"
    if name in WHOSE:
        row = f"CASE WHEN {WHOSE[name]} < {BUILT_IN} THEN concat(t.xmin, t.ctid) ELSE {row} END"
    return _digest(f"pg_catalog.{name}", row)


def _digest(name: str, row: str) -> str:
    return f"SELECT {_literal(name)}, count(*), sum(hashtextextended({row}, 0)) FROM {name} t"


def _sequence(name: str) -> str:
    return f"SELECT {_literal(name)}, last_value, is_called::int FROM {name}"


def _literal(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
