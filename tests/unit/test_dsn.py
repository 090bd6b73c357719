"""What an external server's URL may say, and what it may not: the address checked is the one connected to."""

from __future__ import annotations

import pytest

from noxlib import dsn

PLACES = ("localhost/ci_*", "127.0.0.1:5433/ci", "[::1]:*/x", "db.internal/a*b")
URL = "postgresql://me:{}@localhost/ci_1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:pw@localhost/ci_1", "localhost:5432/ci_1"),
        ("postgres://me:pw@localhost:5432/ci_", "localhost:5432/ci_"),
        (
            "postgresql+psycopg://me:pw@LOCALHOST/ci_1?sslmode=disable&connect_timeout=5",
            "localhost:5432/ci_1",
        ),
        ("postgresql://me@127.0.0.1:5433/ci", "127.0.0.1:5433/ci"),
        ("postgresql://me:pw@[::1]:9999/x", "[::1]:9999/x"),
        ("postgresql://me:pw@[0:0:0:0:0:0:0:1]/x", "[::1]:5432/x"),
        ("postgresql://me:pw@db.internal/aanythingb", "db.internal:5432/aanythingb"),
        ("postgresql://me:pw@localhost/%63i_1", "localhost:5432/ci_1"),
    ],
)
def test_a_server_on_the_list_is_admitted(text: str, shown: str) -> None:
    found = dsn.parse(text)
    assert found.shown == shown
    assert dsn.admitted(found, PLACES)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:pw@prod.example.com/ci_1",
        "postgresql://me:pw@localhost/prod-ci_1",
        "postgresql://me:pw@localhost/CI_1",
        "postgresql://me:pw@localhost/shop",
        "postgresql://me:pw@localhost:6543/ci_1",
        "postgresql://me:pw@localhost.example.com/ci_1",
        "postgresql://me:pw@notlocalhost/ci_1",
        "postgresql://me:pw@127.0.0.1/ci",
        "postgresql://me:pw@127.0.0.1:5433/ci_1",
        "postgresql://me:pw@127.1:5433/ci",
        "postgresql://me:pw@0x7f000001:5433/ci",
        "postgresql://me:pw@2130706433:5433/ci",
        "postgresql://me:pw@[::ffff:127.0.0.1]:5433/ci",
        "postgresql://me:pw@[::2]/x",
        "postgresql://me:pw@dbxinternal/aab",
        "postgresql://me:pw@db.internal/xaab",
        "postgresql://localhost:pw@prod.example.com/ci_1",
    ],
)
def test_a_server_beside_the_list_is_not_admitted(text: str) -> None:
    assert not dsn.admitted(dsn.parse(text), PLACES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no URL"),
        ("host=localhost dbname=ci_1 password=geheim", "is no URL"),
        ("service=prod", "is no URL"),
        ("mysql://me:geheim@localhost/ci_1", "is no URL"),
        ("postgresql://me:geheim@localhost,prod/ci_1", "several hosts"),
        ("postgresql://me:geheim@localhost:5432,prod:5432/ci_1", "several hosts"),
        ("postgresql://me:geheim@localhost/ci_1?host=prod", "parameter"),
        ("postgresql://me:geheim@localhost/ci_1?hostaddr=192.0.2.1", "parameter"),
        ("postgresql://me:geheim@localhost/ci_1?dbname=prod", "parameter"),
        ("postgresql://me:geheim@localhost/ci_1?service=prod", "parameter"),
        ("postgresql://me:geheim@localhost/ci_1?options=-csearch_path%3Dx", "parameter"),
        ("postgresql://me:geheim@localhost/ci_1?sslmode=disable&sslmode=prefer", "twice"),
        ("postgresql://me:geheim@localhost/ci_1?sslmode=verify-full", "TLS"),
        ("postgresql://me:geheim@localhost/ci_1?&", "parameter"),
        ("postgresql:///ci_1?host=/run/postgresql", "Unix socket"),
        ("postgresql://me:geheim@/ci_1", "Unix socket"),
        ("postgresql://me:geheim@:5432/ci_1", "Unix socket"),
        ("postgresql://me:geheim@%2Frun%2Fpostgresql/ci_1", "Unix socket"),
        ("postgresql://me:geheim@local%68ost/ci_1", "can't be read"),
        ("postgresql://me:geheim@localhost:geheim/ci_1", "can't be read"),
        ("postgresql://me:geheim@localhost:99999/ci_1", "port"),
        ("postgresql://me:geheim@localhost:0/ci_1", "port"),
        ("postgresql://me:geheim@localhost./ci_1", "can't be read"),
        ("postgresql://me:geheim@[::g]/ci_1", "can't be read"),
        ("postgresql://me:geheim@[1:2]/ci_1", "IPv6"),
        ("postgresql://me:geheim@[fe80::1%25eth0]/ci_1", "can't be read"),
        ("postgresql://me:geheim@x@prod/ci_1", "%40"),
        ("postgresql://me:geh/eim@localhost/ci_1", "%2F"),
        ("postgresql://me:12/34@localhost/ci_1", "%2F"),
        ("postgresql://me:geh?eim@localhost/ci_1", "%3F"),
        ("postgresql://me:geh#eim@localhost/ci_1", "%23"),
        ("postgresql://me:geh eim@localhost/ci_1", "%20"),
        ("postgresql://me:geheim@localhost/ci_1\n", "control character"),
        ("postgresql://me:geheim@prod\\@localhost/ci_1", "control character"),
        ("postgresql://me:geheim@localhost", "no database"),
        ("postgresql://me:geheim@localhost/", "no database"),
        ("postgresql://me:geheim@localhost/ci_1/prod", "no database"),
        ("postgresql://me:geheim@localhost/ci_%2A", "no database"),
        ("postgresql://localhost/ci_1", "no user"),
        ("postgresql://:geheim@localhost/ci_1", "no user"),
        ("postgresql://me:geheim%@localhost/ci_1", "%25"),
        ("postgresql://me:geheim%ff@localhost/ci_1", "%25"),
        ("postgresql://me:geheim%00@localhost/ci_1", "%25"),
    ],
)
def test_what_libpq_would_complete_or_override_is_refused_without_being_shown(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        dsn.parse(text)
    assert "geh" not in str(caught.value)


def test_a_password_is_read_as_it_is_meant_and_never_shown() -> None:
    found = dsn.parse(URL.format("a%40b%2F%25c:d"))
    assert found.password == "a@b/%c:d"
    assert found.user == "me"
    assert "a@b" not in repr(found)
    alone = {"a@b/%c:d", "a%40b%2F%25c%3Ad"}
    assert set(dsn.secrets("the url", found)) == {"the url", *alone, *(f":{each}@" for each in alone)}


@pytest.mark.parametrize("password", ["me", "postgres", "ci_1", "PASSWORD", "short"])
def test_a_password_that_hides_nothing_is_struck_out_of_urls_only(password: str) -> None:
    found = dsn.parse(URL.format(password))
    assert not dsn.is_secret(found)
    assert set(dsn.secrets("u", found)) == {"u", f":{password}@"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "*/x",
        "*.internal/x",
        "localhost:/x",
        "a,b/x",
        "/x",
        "localhost/x?",
        "localhost/",
        "user@localhost/x",
    ],
)
def test_a_place_is_one_host_and_the_names_of_databases(text: str) -> None:
    with pytest.raises(ValueError, match="must be a host"):
        dsn.place(text)


def test_an_empty_password_is_no_secret() -> None:
    assert dsn.secrets("u", dsn.parse("postgresql://me@localhost/x")) == ("u",)
