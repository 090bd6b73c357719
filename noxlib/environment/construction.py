"""Build a service's virtualenv: its lock, tools beside it, the service, noxlib's plugin, in this order."""

from __future__ import annotations

import os
from importlib import metadata

from noxlib.environment import poetry, requirements, store
from noxlib.environment.job import Job
from noxlib.environment.key import environment_key
from noxlib.environment.locked import Locked
from noxlib.environment.locks import POETRY, Lock, find_lock
from noxlib.environment.order import Order
from noxlib.environment.packager import choose, install
from noxlib.environment.project import (
    distribution_name,
    import_folders,
    is_noxlib,
    is_package,
    read_pyproject,
)
from noxlib.environment.python import find_python
from noxlib.environment.settings import installer_environment
from noxlib.environment.tool import build_tool
from noxlib.environment.wheel import plugin_wheel
from noxlib.errors import EnvironmentBuildError
from noxlib.model import BuiltEnvironment

PTH = "noxlib-service.pth"


def build(order: Order) -> BuiltEnvironment:
    """Return the service's environment, built where it isn't there yet.

    A warm call reads a few files: no process, no network. Raises EnvironmentBuildError, and
    PythonNotFoundError when no interpreter fits.
    """
    interpreter = find_python(order.python, order.store / "pythons.json")
    lock = find_lock(order)
    tool = "poetry" if lock.kind == POETRY else choose(order.service.install.tool, lock.kind).name
    key = environment_key(order, interpreter, lock, tool)
    name = f"{order.service.name}-{interpreter.short}"
    place = store.Place(store=order.store, kind="envs", name=name, key=key)
    built = None if order.reuse == "never" else store.find(place)
    if built:
        return built
    if order.reuse == "always":
        raise EnvironmentBuildError(
            f"service {order.service.name}: no environment to reuse for Python {interpreter.short}"
            f"{' and the present lock and settings' if place.siblings() else ''}",
            remedy="run nox once without -R (and without --no-install)",
        )

    def waiting() -> None:
        order.say(f"{order.service.name}: waiting for another nox that builds the same environment")

    def construct(held: int) -> BuiltEnvironment:
        job = Job(
            label=f"service {order.service.name}",
            folder=place.folder,
            interpreter=interpreter,
            cwd=order.folder,
            log=place.log,
            lock=held,
            env=installer_environment(os.environ),
        )
        return Construction(order, lock, job, tool=tool, key=key).run()

    return store.make(place, construct, again=order.reuse == "never", waiting=waiting)


class Construction:
    """The steps of one cold build."""

    def __init__(self, order: Order, lock: Lock, job: Job, *, tool: str, key: str) -> None:
        """Take what `build` has found out."""
        self.order = order
        self.lock = lock
        self.job = job
        self.tool = tool
        self.key = key
        self.packager = choose("auto" if tool == "poetry" else tool, lock.kind)
        self.pyproject = read_pyproject(order.folder)

    def run(self) -> BuiltEnvironment:
        """Build it all and return what was built."""
        service, version = self.order.service, self.job.interpreter.version
        self.order.say(f"{service.name}: building its environment (Python {version}, {self.tool})")
        self.packager.create(self.job)
        self._install_locked()
        added = self._add_tools()
        self._install_service()
        self._install_plugin()
        return BuiltEnvironment(
            path=str(self.job.folder),
            python=str(self.job.python),
            version=version,
            key=self.key,
            tool=self.tool,
            packages=self.job.packages(),
            added=added,
        )

    def _locked(self) -> Locked:
        install_settings = self.order.service.install
        if self.lock.kind != POETRY:
            return self.packager.locked(self.job, self.lock, install_settings)
        lines = poetry.REQUIREMENTS.read_text(encoding="utf-8").splitlines()
        programs = build_tool("poetry", lines, self.order.store, self.order.say)
        return poetry.locked(self.job, self.lock, install_settings, programs)

    def _install_locked(self) -> None:
        locked = self._locked()
        files = requirements.files_of(locked.path)
        if not any(True for path in files for _ in requirements.read_lines(path)):
            return
        hashed = requirements.is_hashed(files)
        arguments = [
            *(["--no-deps"] if locked.complete else []),
            *(["--require-hashes"] if hashed else self._constraints()),
            *("-r", str(locked.path)),
        ]
        remedy = f"see the lines above; if a pin can't be met, run `{self.lock.remake}` and commit the file"
        install(self.job, self.packager, arguments, step=f"installing {self.lock.path.name}", remedy=remedy)

    def _constraints(self) -> list[str]:
        names = self.order.service.install.constraints
        return [part for name in names for part in ("-c", str(self.order.folder / name))]

    def _add_tools(self) -> tuple[str, ...]:
        """Add what the test types need and the lock lacks; never change a locked version."""
        packages, version = self.job.packages(), self.job.interpreter.version
        tools = requirements.shortfall(self.order.tools, packages, version)
        own = requirements.shortfall(self.order.requirements, packages, version)
        for wanted, there in (*tools.unfit, *own.unfit):
            raise self._too_old(wanted, there)
        service = self.order.service
        if tools.missing and service.install.tools == "strict":
            raise EnvironmentBuildError(
                f"service {service.name}: {self.lock.path.name} doesn't hold {', '.join(tools.missing)},"
                ' and install.tools is "strict"',
                remedy=self._add_to_lock(tools.missing),
            )
        missing = list(dict.fromkeys([*tools.missing, *own.missing]))
        if not missing:
            return ()
        pins = self.job.folder / "noxlib-constraints.txt"
        pins.write_text(
            "".join(f"{name}=={version}\n" for name, version in packages.items()), encoding="utf-8"
        )
        arguments = ["-c", str(pins), *self._constraints(), *missing]
        install(
            self.job,
            self.packager,
            arguments,
            step="adding test tools beside the lock",
            remedy=self._add_to_lock(missing),
        )
        after = self.job.packages()
        added = tuple(f"{item}=={after[item]}" for item in _names(missing))
        if tools.missing:
            self.order.say(f"{service.name}: added beside the lock: {', '.join(added)}")
        return added

    def _too_old(self, wanted: str, there: str) -> EnvironmentBuildError:
        name = _names([wanted])[0]
        return EnvironmentBuildError(
            f"service {self.order.service.name}: {self.lock.path.name} pins {name} {there};"
            f" its test types need {wanted}",
            remedy=self._add_to_lock([wanted]),
        )

    def _add_to_lock(self, wanted: list[str] | tuple[str, ...]) -> str:
        quoted = " ".join(f"'{item}'" for item in wanted)
        commands = {
            "poetry.lock": f"`poetry add --group test {quoted}`",
            "uv.lock": f"`uv add --dev {quoted}`",
        }
        by_hand = f"add {quoted} to what {self.lock.path.name} is compiled from, and compile it anew"
        return commands.get(self.lock.path.name, by_hand)

    def _install_service(self) -> None:
        order = self.order
        if not is_package(order, self.pyproject):
            folders = "".join(f"{path}\n" for path in import_folders(order))
            (self.job.site_packages / PTH).write_text(folders, encoding="utf-8")
            return
        extras = ",".join(order.service.install.extras)
        target = f"{order.folder}[{extras}]" if extras else str(order.folder)
        flags = ["--no-deps", *(["-e"] if order.service.install.editable else []), target]
        install(
            self.job,
            self.packager,
            flags,
            step=f"installing {order.service.name} itself",
            remedy="see the lines above; `install.package = false` puts its sources on the path instead",
        )
        self._refuse_stale_lock()

    def _refuse_stale_lock(self) -> None:
        """Name what pyproject.toml asks for and the lock doesn't hold, instead of an ImportError later."""
        name = requirements.canonical(distribution_name(self.pyproject))
        packages = self.job.packages()
        found = metadata.distributions(name=name, path=[str(self.job.site_packages)]) if name else ()
        for distribution in found:
            wanted = distribution.requires or []
            extras = self.order.service.install.extras
            lack = requirements.shortfall(wanted, packages, self.job.interpreter.version, extras)
            if lack.missing:
                raise EnvironmentBuildError(
                    f"service {self.order.service.name}: {self.lock.path.name} doesn't hold"
                    f" {', '.join(lack.missing)}, which its package asks for",
                    remedy=f"run `{self.lock.remake}` in {self.order.service.path} and commit the file",
                )

    def _install_plugin(self) -> None:
        if is_noxlib(self.pyproject):
            return
        wheel = plugin_wheel(self.order.store)
        install(self.job, self.packager, ["--no-deps", str(wheel)], step="installing noxlib's pytest plugin")


def _names(wanted: list[str]) -> list[str]:
    from packaging.requirements import Requirement  # noqa: PLC0415  cold builds alone need it

    return [requirements.canonical(Requirement(item).name) for item in wanted]
