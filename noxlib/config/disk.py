"""What the file system must hold for services.toml to make sense: looked at on every load."""

# ruff: noqa: PTH110, PTH112  unlike Path's methods they never raise, not for a name too long either
from __future__ import annotations

from dataclasses import replace
from os.path import exists, isdir
from pathlib import Path

from noxlib.model import Platform, Service

Fault = tuple[list[str | int], str]  # a key's path, and what is wrong with it


def settle(platform: Platform, root: Path, faults: list[Fault]) -> Platform:
    """Return the platform with every service's `source` known; note folders that don't exist.

    Where `source` isn't given it is the first that exists of src/<name>, <name> (dashes as
    underscores) and src, else the service's whole folder.
    """
    settled = {name: _settled(service, root, faults) for name, service in platform.services.items()}
    return replace(platform, services=settled)


def _settled(service: Service, root: Path, faults: list[Fault]) -> Service:
    folder = root / service.path
    if not isdir(folder):
        fault = "is not a folder" if exists(folder) else "no such folder"
        remedy = "Give the service's folder, relative to services.toml's"
        faults.append((["services", service.name, "path"], f"{service.path}: {fault}. {remedy}"))
        return service
    for index, source in enumerate(service.source):
        if not isdir(folder / source):
            fault = f'{source}: no such folder in "{service.path}". Give folders relative to the service\'s'
            faults.append((["services", service.name, "source", index], fault))
    return service if service.source else replace(service, source=(_source(service.name, folder),))


def _source(name: str, folder: Path) -> str:
    module = name.replace("-", "_")
    candidates = (f"src/{name}", f"src/{module}", module, "src")
    return next((it for it in candidates if isdir(folder / it)), ".")
