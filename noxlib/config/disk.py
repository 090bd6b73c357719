"""What the file system must hold for services.toml to make sense: looked at on every load."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from noxlib.model import Platform, Service

Note = Callable[[Iterable[str | int], str], None]


def settle(platform: Platform, root: Path, note: Note) -> Platform:
    """Check that folders exist, and return the platform with every service's `source` known.

    Where `source` isn't given it is the first that exists of src/<name>, <name> (dashes as
    underscores) and src, else the service's whole folder.
    """
    return replace(
        platform, services={name: _settled(it, root, note) for name, it in platform.services.items()}
    )


def _settled(service: Service, root: Path, note: Note) -> Service:
    folder = root / service.path
    path = ["services", service.name, "path"]
    if not folder.is_dir():
        fault = "is not a folder" if folder.exists() else "no such folder"
        note(path, f"{service.path}: {fault}. Give the service's folder, relative to services.toml's")
        return service
    for index, source in enumerate(service.source):
        if not (folder / source).is_dir():
            note(
                ["services", service.name, "source", index],
                f"{source}: no such folder in {service.path}. Give folders relative to the service's",
            )
    return service if service.source else replace(service, source=(_source(service.name, folder),))


def _source(name: str, folder: Path) -> str:
    module = name.replace("-", "_")
    candidates = (f"src/{name}", f"src/{module}", module, "src")
    return next((it for it in candidates if (folder / it).is_dir()), ".")
