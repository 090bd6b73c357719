"""Which lock file a service has, and which installer reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from noxlib.environment.order import Order
from noxlib.errors import EnvironmentBuildError

POETRY, UV, REQUIREMENTS = "poetry.lock", "uv.lock", "requirements"
REQUIREMENT_NAMES = ("requirements.lock", "requirements.txt")
_REQUIREMENT_GLOBS = ("requirements*.lock", "requirements*.txt", "requirements/*.txt")
_READ_BY = {
    "auto": (POETRY, UV, REQUIREMENTS),
    "poetry": (POETRY,),
    "uv": (UV, REQUIREMENTS),
    "pip": (REQUIREMENTS,),
}
REMAKE = {
    POETRY: "poetry lock",
    UV: "uv lock",
    REQUIREMENTS: "uv pip compile pyproject.toml --universal --generate-hashes -o {name}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A file that pins what a service is made of."""

    path: Path
    kind: str  # POETRY | UV | REQUIREMENTS

    @property
    def remake(self) -> str:
        """Return the command that writes it anew."""
        return REMAKE[self.kind].format(name=self.path.name)


def find_lock(order: Order) -> Lock:
    """Return the service's lock file.

    Raises EnvironmentBuildError when there is none that its installer reads, or several fit.
    """
    install = order.service.install
    kinds = _READ_BY[install.tool]
    if install.lock is not None:
        return _named(order, install.lock, kinds)
    for kind in kinds:
        for path in _existing(order, kind):
            return Lock(path=path, kind=kind)
    raise _missing(order, kinds)


def _named(order: Order, name: str, kinds: tuple[str, ...]) -> Lock:
    path = order.folder / name
    kind = path.name if path.name in (POETRY, UV) else REQUIREMENTS
    place = f"services.{order.service.name}.install"
    if kind not in kinds:
        raise EnvironmentBuildError(
            f"{place}: tool = {order.service.install.tool!r} doesn't read {name}",
            remedy='leave `tool` out, or name a lock file that it reads: "auto" reads each kind',
        )
    if not path.is_file():
        raise EnvironmentBuildError(
            f'{place}.lock: {name} doesn\'t exist in "{order.service.path}"',
            remedy=f"run `{REMAKE[kind].format(name=name)}` in {order.service.path}, or name another file",
        )
    return Lock(path=path, kind=kind)


def _existing(order: Order, kind: str) -> list[Path]:
    if kind != REQUIREMENTS:
        path = order.folder / kind
        return [path] if path.is_file() else []
    usual = [order.folder / name for name in REQUIREMENT_NAMES]
    found = [path for path in usual if path.is_file()]
    if found:
        return found
    found = sorted({path for pattern in _REQUIREMENT_GLOBS for path in order.folder.glob(pattern)})
    if len(found) > 1:
        names = ", ".join(path.relative_to(order.folder).as_posix() for path in found)
        raise EnvironmentBuildError(
            f"service {order.service.name}: several files could be its lock: {names}",
            remedy=f"name one: services.{order.service.name}.install.lock",
        )
    return found


def _missing(order: Order, kinds: tuple[str, ...]) -> EnvironmentBuildError:
    names = [name for kind in kinds for name in (REQUIREMENT_NAMES if kind == REQUIREMENTS else (kind,))]
    commands = [REMAKE[kind].format(name=REQUIREMENT_NAMES[0]) for kind in kinds]
    either = " or ".join(f"`{command}`" for command in commands)
    return EnvironmentBuildError(
        f'service {order.service.name}: no lock file in "{order.service.path}". Looked for '
        + ", ".join(names),
        remedy=f"run {either} there and commit the file",
    )
