from __future__ import annotations

import pytest

from cs1.settings import SettingsError, read_settings

URL = "postgresql+psycopg://ledger:hunter2@db:5432/ledger"


def test_only_the_database_must_be_named() -> None:
    settings = read_settings({"DATABASE_URL": URL})
    assert settings.database_url.host == "db"
    assert (settings.pool_size, settings.rates_url) == (10, None)


def test_pool_size_and_rates_are_read() -> None:
    settings = read_settings(
        {"DATABASE_URL": URL, "CS1_POOL_SIZE": "3", "CS1_RATES_URL": "http://rates.example"}
    )
    assert (settings.pool_size, settings.rates_url) == (3, "http://rates.example")


def test_settings_show_no_password() -> None:
    assert "hunter2" not in repr(read_settings({"DATABASE_URL": URL}))


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({}, "DATABASE_URL"),
        ({"DATABASE_URL": "not a url"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://ledger:hunter2@db/ledger"}, "postgresql\\+psycopg"),
        ({"DATABASE_URL": URL, "CS1_POOL_SIZE": "0"}, "CS1_POOL_SIZE"),
        ({"DATABASE_URL": URL, "CS1_POOL_SIZE": "ten"}, "CS1_POOL_SIZE"),
    ],
)
def test_a_bad_setting_is_named_without_its_value(environ: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault) as caught:
        read_settings(environ)
    assert "hunter2" not in str(caught.value)
