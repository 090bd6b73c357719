"""What a migrated database depends on, as one hash: the key of its template."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from noxlib.errors import ConfigError
from noxlib.inputs import relative, service_digests
from noxlib.model import Platform, Postgres, Service, to_json

TESTS = "tests/"


def migration_key(
    service: Service,
    settings: Postgres,
    platform: Platform,
    root: Path,
    extra: Mapping[str, str],
    *,
    cache: Path | None = None,
) -> str:
    """Return the hash of the commands, of all files that they may read and of `extra`; "" without any.

    Without `migrations`, every file of the service counts but its tests and what tools have built there;
    seeds and files that a command names count wherever they lie. Raises ConfigError for a pattern
    that matches nothing.
    """
    commands = (*settings.migrate, *settings.seed_command)
    if not commands and not settings.seed:
        return ""
    folder = (root / service.path).resolve()
    found = service_digests(service, platform, root, cache=cache)
    seeds = _matching(service, settings, "seed", settings.seed, folder)
    if settings.migrations:
        named = _matching(service, settings, "migrations", settings.migrations, folder) | seeds
        files = {name: digest for name, digest in found.items() if name in named}
    else:
        tests = any(TESTS in word for word in commands)
        files = {
            name: digest
            for name, digest in found.items()
            if tests or name in seeds or not name.startswith(TESTS)
        }
    keyed = {
        "commands": [settings.migrate, settings.seed, settings.seed_command],
        "env": to_json(settings.env) | {"service": service.env, "render": settings.render},
        "files": files,
        "extra": dict(extra),
    }
    return hashlib.sha256(json.dumps(keyed, sort_keys=True).encode()).hexdigest()


def _matching(
    service: Service, settings: Postgres, key: str, patterns: tuple[str, ...], folder: Path
) -> frozenset[str]:
    found: set[str] = set()
    for pattern in patterns:
        # Path.glob knows no "..".
        files = {relative(path, folder) for path in glob.glob(str(folder / pattern), recursive=True)}  # noqa: PTH207
        if not files and key == "migrations":
            raise ConfigError(
                f'services.toml: services.{service.name}.{settings.name}.{key}: "{pattern}" matches no file',
                remedy="mend the pattern, or remove it",
            )
        found |= files
    return frozenset(found)
