"""The environment variables that installers get: index settings, proxies, certificates, compilers.

Everything else stays out: what a build script can't see, it can't leak or depend on.
"""

from __future__ import annotations

import configparser
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_KEPT = frozenset(
    [
        "HOME",
        "PATH",
        "LANG",
        "TMPDIR",
        "TERM",
        "USER",
        "LOGNAME",
        "CC",
        "CXX",
        "CFLAGS",
        "CXXFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "ARCHFLAGS",
        "PKG_CONFIG_PATH",
        "LD_LIBRARY_PATH",
        "MACOSX_DEPLOYMENT_TARGET",
        "SDKROOT",
        "SOURCE_DATE_EPOCH",
    ]
)
_KEPT_PREFIXES = ("PIP_", "UV_", "POETRY_", "LC_", "XDG_", "SSL", "CURL_CA", "REQUESTS_CA")
# These would change what is installed, or where.
_DROPPED = frozenset(
    [
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_PYTHON",
        "PIP_EDITABLE",
        "PIP_REQUIREMENT",
        "PIP_NO_DEPS",
        "PIP_DRY_RUN",
        "PIP_REQUIRE_HASHES",
        "PIP_UPGRADE",
        "PIP_LOG",
        "UV_PROJECT_ENVIRONMENT",
        "UV_PROJECT",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_REQUIRE_HASHES",
        "UV_WORKING_DIRECTORY",
        "UV_ENV_FILE",
    ]
)
_FIXED = {
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_NO_PROGRESS": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_ROOT_USER_ACTION": "ignore",
    "POETRY_NO_INTERACTION": "1",
    "NO_COLOR": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_UV_INDEX_SETTINGS = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_INDEX_URL",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_CONFIG_FILE",
)


def installer_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what installers may see of `environ`; uv gets pip's index settings unless it has its own."""
    kept = {name: value for name, value in environ.items() if _is_kept(name)}
    kept |= _FIXED
    for name, value in _pip_settings_for_uv(kept).items():
        kept.setdefault(name, value)
    return kept


def secrets_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return user names with passwords, and the passwords, that index addresses hold."""
    found = [item for value in environ.values() for item in re.findall(r"://([^/@\s]+)@", value)]
    passwords = [item.partition(":")[2] for item in found]
    return tuple(sorted({item for item in (*found, *passwords) if item}))


def _is_kept(name: str) -> bool:
    if name in _DROPPED:
        return False
    return name in _KEPT or name.startswith(_KEPT_PREFIXES) or name.upper().endswith("_PROXY")


def _pip_settings_for_uv(environ: Mapping[str, str]) -> dict[str, str]:
    """Translate pip's configuration, since on many machines it is the only one there is."""
    if any(environ.get(name) for name in _UV_INDEX_SETTINGS) or _has_uv_configuration(environ):
        return {}
    pip = _pip_configuration(environ)
    found = {
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(pip.get("extra-index-url", "").split()),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_NO_INDEX": "1" if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"} else "",
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "SSL_CERT_FILE": pip.get("cert", ""),
        # pip takes the best version of all its indexes, uv that of the first index.
        "UV_INDEX_STRATEGY": "unsafe-best-match" if pip.get("extra-index-url") else "",
    }
    return {name: value for name, value in found.items() if value}


def _has_uv_configuration(environ: Mapping[str, str]) -> bool:
    folders = [Path("/etc/uv"), _config_home(environ) / "uv"]
    return any((folder / "uv.toml").is_file() for folder in folders)


def _pip_configuration(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings of `install`, the nearest winning: variables, user's file, machine's file."""
    settings: dict[str, str] = {}
    for path in _pip_files(environ):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= {name.replace("_", "-"): value for name, value in parser.items(section)}
    for name, value in environ.items():
        if name.startswith("PIP_"):
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    """Return pip's configuration files, the nearest last (pip's documentation, "Configuration")."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == "/dev/null":
        return []
    home = Path(environ.get("HOME", "/"))
    shared = [Path(item) for item in environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if item]
    files = [*(folder / "pip" / "pip.conf" for folder in shared), Path("/etc/pip.conf")]
    if sys.platform == "darwin":
        files.append(Path("/Library/Application Support/pip/pip.conf"))
        files.append(home / "Library/Application Support/pip/pip.conf")
    files += [home / ".pip" / "pip.conf", _config_home(environ) / "pip" / "pip.conf"]
    return [*files, Path(named)] if named else files


def _config_home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
