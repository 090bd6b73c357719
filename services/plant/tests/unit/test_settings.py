from __future__ import annotations

import pytest

from plant.settings import PoolLimits, SettingsError, read_settings

URL = "postgresql+asyncpg://plant:hunter2@db:5432/plant"


def test_only_the_database_must_be_named() -> None:
    settings = read_settings({"DATABASE_URL": URL})
    assert settings.database_url.host == "db"
    assert settings.limits == PoolLimits()


def test_the_pool_s_limits_are_read() -> None:
    limits = read_settings(
        {
            "DATABASE_URL": URL,
            "PLANT_POOL_SIZE": "3",
            "PLANT_POOL_OVERFLOW": "0",
            "PLANT_POOL_TIMEOUT": "0.5",
        }
    ).limits
    assert (limits.size, limits.overflow, limits.acquire, limits.most) == (3, 0, 0.5, 3)


def test_the_client_waits_longer_than_the_server_works() -> None:
    limits = PoolLimits()
    assert limits.answer > limits.statement > limits.connect


def test_settings_show_no_password() -> None:
    assert "hunter2" not in repr(read_settings({"DATABASE_URL": URL}))


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({}, "DATABASE_URL"),
        ({"DATABASE_URL": "not a url"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://plant:hunter2@db/plant"}, "postgresql\\+asyncpg"),
        ({"DATABASE_URL": URL, "PLANT_POOL_SIZE": "0"}, "PLANT_POOL_SIZE: .* 1 to 1000"),
        ({"DATABASE_URL": URL, "PLANT_POOL_SIZE": "1001"}, "PLANT_POOL_SIZE"),
        ({"DATABASE_URL": URL, "PLANT_POOL_SIZE": "٣"}, "PLANT_POOL_SIZE"),
        ({"DATABASE_URL": URL, "PLANT_POOL_OVERFLOW": "-1"}, "PLANT_POOL_OVERFLOW: .* 0 to"),
        ({"DATABASE_URL": URL, "PLANT_POOL_TIMEOUT": "0"}, "PLANT_POOL_TIMEOUT"),
        ({"DATABASE_URL": URL, "PLANT_POOL_TIMEOUT": "61"}, "PLANT_POOL_TIMEOUT"),
        ({"DATABASE_URL": URL, "PLANT_POOL_TIMEOUT": "nan"}, "PLANT_POOL_TIMEOUT"),
        ({"DATABASE_URL": URL, "PLANT_POOL_TIMEOUT": "soon"}, "PLANT_POOL_TIMEOUT"),
    ],
)
def test_a_bad_setting_is_named_without_its_value(environ: dict[str, str], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault) as caught:
        read_settings(environ)
    assert "hunter2" not in str(caught.value)
