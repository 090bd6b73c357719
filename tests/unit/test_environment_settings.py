from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.environment.settings import installer_environment, secrets_in


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose pip and uv read no file of this machine."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PIP_CONFIG_FILE": "/dev/null"}


def configure(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_index_settings_proxies_and_certificates_reach_the_installers(home: dict[str, str]) -> None:
    given = {
        **home,
        "PIP_CERT": "c",
        "UV_LINK_MODE": "copy",
        "https_proxy": "p",
        "SSL_CERT_DIR": "d",
        "PATH": "/bin",
    }
    assert given.items() <= installer_environment(given).items()


def test_nothing_secret_and_nothing_that_moves_the_target_does(home: dict[str, str]) -> None:
    kept = installer_environment(
        {**home, "AWS_SECRET_ACCESS_KEY": "s", "VIRTUAL_ENV": "/v", "PIP_TARGET": "/t", "UV_PYTHON": "3.9"}
    )
    assert not {"AWS_SECRET_ACCESS_KEY", "VIRTUAL_ENV", "PIP_TARGET", "UV_PYTHON"} & kept.keys()
    assert kept["UV_PYTHON_DOWNLOADS"] == "never"
    assert kept["PIP_USER"] == "0"


def test_uv_gets_the_index_settings_of_pips_variables(home: dict[str, str]) -> None:
    kept = installer_environment(
        {
            **home,
            "PIP_INDEX_URL": "file:///one",
            "PIP_EXTRA_INDEX_URL": "file:///two\nfile:///three",
            "PIP_FIND_LINKS": "/a /b",
            "PIP_NO_INDEX": "true",
            "PIP_TRUSTED_HOST": "h",
            "PIP_CERT": "/c.pem",
        }
    )
    assert kept["UV_DEFAULT_INDEX"] == "file:///one"
    assert kept["UV_INDEX"] == "file:///two file:///three"
    assert kept["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert kept["UV_FIND_LINKS"] == "/a,/b"
    assert kept["UV_NO_INDEX"] == "1"
    assert kept["UV_INSECURE_HOST"] == "h"
    assert kept["SSL_CERT_FILE"] == "/c.pem"


def test_the_nearest_pip_configuration_wins(home: dict[str, str], tmp_path: Path) -> None:
    configure(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = file:///machine\nfind_links = /m\n")
    configure(tmp_path / ".config/pip/pip.conf", "[install]\nindex-url = file:///user\n")
    named = configure(tmp_path / "named.conf", "[global]\nextra-index-url = file:///named\n")
    kept = installer_environment({**home, "PIP_CONFIG_FILE": str(named)})
    assert (kept["UV_DEFAULT_INDEX"], kept["UV_FIND_LINKS"]) == ("file:///user", "/m")
    assert kept["UV_INDEX"] == "file:///named"


def test_without_a_pip_configuration_the_files_of_the_machine_are_read(
    home: dict[str, str], tmp_path: Path
) -> None:
    configure(tmp_path / ".config/pip/pip.conf", "[global]\nindex-url = file:///user\n")
    del home["PIP_CONFIG_FILE"]
    assert installer_environment(home)["UV_DEFAULT_INDEX"] == "file:///user"


def test_a_broken_pip_configuration_is_left_to_pip(home: dict[str, str], tmp_path: Path) -> None:
    named = configure(tmp_path / "broken.conf", "index-url = no section\n")
    assert "UV_DEFAULT_INDEX" not in installer_environment({**home, "PIP_CONFIG_FILE": str(named)})


@pytest.mark.parametrize("own", ["variable", "file"])
def test_uvs_own_settings_are_left_alone(home: dict[str, str], tmp_path: Path, own: str) -> None:
    given = {**home, "PIP_INDEX_URL": "file:///pip"}
    if own == "variable":
        given["UV_INDEX_URL"] = "file:///uv"
    else:
        configure(tmp_path / ".config/uv/uv.toml", "")
    assert "UV_DEFAULT_INDEX" not in installer_environment(given)


def test_passwords_in_index_addresses_are_known_as_secrets() -> None:
    assert secrets_in({"PIP_INDEX_URL": "file://me:pa55@h/simple", "HOME": "/h"}) == ("me:pa55", "pa55")
