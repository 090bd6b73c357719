"""What the connector takes for a trouble of the moment."""

from __future__ import annotations

import asyncio

import pytest
from asyncpg.exceptions import CannotConnectNowError, InvalidPasswordError, TooManyConnectionsError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from plant.connector import passes


class DriverError(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("planted")
        self.sqlstate = sqlstate


def database_error(sqlstate: str | None, *, lost: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, DriverError(sqlstate), connection_invalidated=lost)


@pytest.mark.parametrize(
    "sqlstate",
    ["08006", "53300", "57P01", "57P03", "57014", "40001", "40P01", "55P03", "25P03"],
)
def test_what_ends_by_itself_passes(sqlstate: str) -> None:
    assert passes(database_error(sqlstate))


@pytest.mark.parametrize("sqlstate", ["23505", "42601", "42501", "25P02", "25006", None])
def test_what_a_statement_is_to_blame_for_stays(sqlstate: str | None) -> None:
    assert not passes(database_error(sqlstate))


def test_a_lost_connection_passes_whatever_its_code() -> None:
    assert passes(database_error(None, lost=True))


@pytest.mark.parametrize("error", [CannotConnectNowError("starting up"), TooManyConnectionsError("full")])
def test_a_server_that_can_t_take_a_connection_now_passes(error: Exception) -> None:
    assert passes(error)


def test_a_wrong_password_stays() -> None:
    assert not passes(InvalidPasswordError("no"))


@pytest.mark.parametrize("error", [ConnectionRefusedError(), asyncio.TimeoutError(), PoolTimeoutError()])
def test_sockets_and_time_limits_pass(error: Exception) -> None:
    assert passes(error)
