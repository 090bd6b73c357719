"""Databases on a server that isn't ours: what a session gets there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from external_sessions import Container
from waiting import eventually

from noxlib.errors import ResourceError
from noxlib.resources import external_databases


def test_a_session_has_a_migrated_and_seeded_database_of_its_own_and_leaves_nothing(
    container: Container, external_session: Any, tmp_path: Path
) -> None:
    (tmp_path / "seed.sql").write_text("insert into account values (1), (2);")
    with external_session(migrate=("psql", "-c", "create table account (id int)"), seed=("seed.sql",)) as own:
        assert own.ask("select count(*) from account") == 2
        assert own.lease.values["database"] == "noxlib_00000001_0_test"
        assert own.lease.env["PGDATABASE"] == "noxlib_00000001_0_test"
        assert own.ask("select datcollate from pg_database where datname = current_database()") == "C"
        comment = own.ask("select description from pg_shdescription where description like 'noxlib%'")
        assert comment == "noxlib: a/postgres, run r-00000001"
        assert container.ours() > 0
    assert container.ours() == 0


def test_each_test_has_a_fresh_database(container: Container, external_session: Any) -> None:
    with external_session(migrate=("psql", "-c", "create table account (id int)")) as own:
        first = own.resource.acquire()
        own.ask("insert into account values (1)", first)
        own.resource.release(first.values["database"], failed=True)
        second = own.resource.acquire()
        assert own.ask("select count(*) from account", second) == 0
        assert len({each.values["database"] for each in (own.lease, first, second)}) == 3
        names = "select array_agg(datname::text) from pg_database"
        assert eventually(lambda: first.values["database"] not in container.ask(names))
    assert container.ours() == 0


def test_the_socket_leads_there_too(external_session: Any) -> None:
    with external_session() as own:
        path = Path(own.lease.values["socket_folder"]) / f".s.PGSQL.{own.lease.address.port}"
        assert own.ask("select 1", unix_sock=str(path)) == 1


def test_the_variables_password_is_not_the_tests(external_session: Any) -> None:
    with external_session() as own:
        assert own.server.password not in str(own.lease)
        assert own.ask("select current_user") == "noxlib_00000001_0"
        assert own.ask("select rolsuper from pg_roles where rolname = current_user") is True


def test_a_role_of_services_toml_is_no_superuser_there_either(external_session: Any) -> None:
    with external_session(role="app") as own:
        assert own.ask("select rolsuper from pg_roles where rolname = current_user") is False
        own.ask("create table t (id int)")
        own.ask("create schema s")
        fresh = own.resource.acquire()
        assert own.ask("select current_user", fresh) == "noxlib_00000001_0"
        own.ask("create table t (id int)", fresh)


def test_a_user_who_may_only_make_databases_will_do(container: Container, external_session: Any) -> None:
    limited = container.limited()
    with external_session(
        limited, init_sql=("create schema s",), settings={"search_path": '"$user", s'}
    ) as own:
        grant = "grant connect on database {} to postgres; revoke temp on database {} from public"
        own.ask(grant.format(*[own.lease.values["database"]] * 2))
        fresh = own.resource.acquire()
        assert own.ask("select current_user", fresh) == "ci"
        assert own.ask("show search_path", fresh) == '"$user", s'
        own.ask("create table s.t (id int)", fresh)
    assert container.ours() == 0


def test_grants_on_the_database_are_copied_also_by_its_owner(
    container: Container, external_session: Any
) -> None:
    limited = container.limited()
    revoke = "do $$ begin execute format('revoke all on database %I from public', current_database()); end $$"
    with external_session(limited, init_sql=(revoke,)) as own:
        fresh = own.resource.acquire()
        acl = "select datacl::text from pg_database where datname = current_database()"
        assert own.ask(acl, fresh) == own.ask(acl) == "{ci=CTc/ci}"


def test_settings_hold_in_every_database(external_session: Any) -> None:
    with external_session(settings={"timezone": "Asia/Tokyo", "max_connections": "100"}) as own:
        assert own.ask("show timezone") == "Asia/Tokyo"
        assert own.ask("show timezone", own.resource.acquire()) == "Asia/Tokyo"


def test_a_setting_of_the_whole_server_is_asked_for(external_session: Any) -> None:
    with (
        pytest.raises(ResourceError, match=r"settings\.max_connections: .* has 100, not .7.") as caught,
        external_session(settings={"max_connections": "7"}),
    ):
        pass
    assert "-c max_connections=7" in caught.value.remedy
    with (
        pytest.raises(ResourceError, match=r"settings\.nonsense: .* doesn't know it"),
        external_session(run="r-00000002", settings={"nonsense": "7"}),
    ):
        pass


def test_two_sessions_do_not_meet(container: Container, external_session: Any) -> None:
    with external_session() as one, external_session(run="r-00000002", owner="b") as other:
        one.ask("create table only_here (id int)")
        assert other.ask("select to_regclass('only_here')") is None
        one.resource.acquire()
        other.resource.acquire()
    assert container.ours() == 0


def test_a_lot_of_bytes_come_through_both_ways(external_session: Any) -> None:
    with external_session() as own:
        assert own.ask(f"select length('{'x' * 3_000_000}')") == 3_000_000
        assert len(own.ask("select repeat('y', 3000000)")) == 3_000_000


def test_many_clients_at_once_are_served(external_session: Any) -> None:
    with external_session() as own:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(own.ask("select 7"))) for _ in range(20)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        assert found == [7] * 20


def test_extensions_are_there(external_session: Any) -> None:
    with external_session(extensions=("plpgsql",)) as own:
        assert own.ask("select count(*) from pg_extension where extname = 'plpgsql'") == 1


def test_names_fit_into_an_identifier_and_tell_their_run() -> None:
    prefix = external_databases.prefix("20261121T075921.123-1a2b3c4d", 12)
    assert prefix == "noxlib_1a2b3c4d_12"
    assert len(external_databases.database_name(prefix, "x" * 63)) <= 63
