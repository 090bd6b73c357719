"""A pinned interpreter for the noxfile, where nox or what noxlib needs is missing.

Standard library only, and read by old Pythons too: far enough to say what is needed. What is
missing goes into `.nox/bootstrap-<hash>/` beside the noxfile: pinned, hashed, once. The lock is
handed to pip, so that a pip that outlives a killed start still keeps others out.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from noxlib.errors import BootstrapError, NoxlibError

NEEDS = ("nox", "nox_poetry", "testing.postgresql", "pydantic", "coverage", "psutil", "packaging")
OLDEST_NOX = (2026, 10)
OLDEST_PYTHON = (3, 10)
OLDEST_PIP = (22, 3)  # the first with `--python`, which fills a virtualenv that has no pip
REQUIREMENTS = Path(__file__).with_name("bootstrap-requirements.txt")
STAMP = "noxlib-stamp"
UNUSED_SECONDS = 14 * 24 * 3600.0
INSTALL_SECONDS = 1800.0
INTERRUPTED = 130
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_NEWER = "NOXLIB_NEWER_PYTHON"  # set for the interpreter that an old Python hands over to
# They would change what pip installs, or where; or make one Python see another one's packages.
_WITHHELD = frozenset(
    (
        *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_EDITABLE", "PIP_REQUIREMENT"),
        *("PIP_CONSTRAINT", "PIP_DRY_RUN", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"),
    )
)
_FIXED = {
    "PIP_USER": "0",
    "PIP_REQUIRE_VIRTUALENV": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
}


def ensure(noxfile: str) -> None:
    """Make sure that the noxfile is run by nox, on an interpreter that has all that noxlib needs.

    Returns at once where that is so. Otherwise the process becomes `python -m nox` (exec), after
    preparing an interpreter where none is ready; ends with an error's exit code, or 130 after ^C.
    """
    with _told():
        _ensure(Path(noxfile).resolve())


def ensure_command(root: Path) -> None:
    """Make sure that `python -m noxlib` is run by an interpreter that has all that noxlib needs.

    As `ensure` does; `root` is the checkout that this noxlib lies in, whose .nox holds what is
    prepared. A noxlib that lies in no checkout is an installation without its dependencies.
    """
    with _told():
        _hand_over_to_newer_python(["-m", "noxlib"])
        missing = missing_needs()
        if not missing:
            return
        if not (root / "noxfile.py").is_file():
            raise BootstrapError(
                f"{sys.executable} lacks {', '.join(missing)}",
                remedy=f"`{sys.executable} -m pip install noxlib`, with its dependencies",
            )
        folder = root / ".nox" / f"bootstrap-{_key()}"
        _refuse_damaged(folder, missing)
        _become(prepared(folder), ["-m", "noxlib", *sys.argv[1:]])


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """End with an error's message and exit code, or 130 after ^C."""
    try:
        yield
    except NoxlibError as error:
        print(f"{error.title}: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        print("noxlib: interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


def _ensure(noxfile: Path) -> None:
    _hand_over_to_newer_python([str(noxfile)])
    as_script = _is_main(noxfile)
    missing = missing_needs()
    if not missing:
        if as_script:
            _become_nox(Path(sys.executable), noxfile)
        return
    folder = noxfile.parent / ".nox" / f"bootstrap-{_key()}"
    _refuse_damaged(folder, missing)
    if not as_script and not _is_nox(sys.argv[0]):
        raise BootstrapError(
            f"{noxfile} was loaded by a Python that lacks {', '.join(missing)}",
            remedy=f"run `python3 {noxfile.name}`, or install noxlib there",
        )
    _become_nox(prepared(folder), noxfile)


def _refuse_damaged(folder: Path, missing: list[str]) -> None:
    """Refuse to go on as the prepared interpreter itself, which would start itself for ever."""
    if Path(sys.prefix).resolve() == folder.resolve():
        (folder / STAMP).unlink(missing_ok=True)
        raise BootstrapError(f"{folder} lost {', '.join(missing)}", remedy="run the same command again")


def missing_needs() -> list[str]:
    """Return what the running interpreter lacks of nox and noxlib's needs; imports none of it."""
    needs = NEEDS if sys.version_info >= (3, 11) else (*NEEDS, "tomli")
    missing = [name for name in needs if not _has(name)]
    if "nox" not in missing and _numbers(metadata.version("nox")) < OLDEST_NOX:
        missing.append(f"nox {'.'.join(map(str, OLDEST_NOX))} or newer")
    return missing


def prepared(folder: Path) -> Path:
    """Return the interpreter of a bootstrapped folder, made where it isn't there yet.

    Raises BootstrapError.
    """
    # Below Python 3.10 these two can't be imported.
    from noxlib.files import locked  # noqa: PLC0415

    if found := _ready(folder):
        return found

    def waiting() -> None:
        _say(f"waiting for another start that prepares {folder.parent.name}/{folder.name}")

    with locked(folder.parent / "bootstrap.lock", waiting=waiting) as held:
        if found := _ready(folder):
            return found
        with _wiped_on_failure(folder):
            _say(f"preparing {folder.parent.name}/{folder.name} once (about 30 s)")
            _make(folder, held)
            (folder / STAMP).write_text("complete\n", encoding="utf-8")
        _prune(folder)
    return _python_of(folder)


def _make(folder: Path, held: int) -> None:
    """Make a virtualenv and fill it, preferably by a pip that is here: Debian lacks ensurepip."""
    outer = _pip_owner(held)
    creator = getattr(sys, "_base_executable", "") or sys.executable
    bare = ["--without-pip"] if outer else []
    short = ".".join(map(str, sys.version_info[:2]))
    _run(
        [creator, "-I", "-m", "venv", *bare, str(folder)],
        held,
        remedy=f"this Python has neither pip nor ensurepip: `apt install python3-pip`, or python{short}-venv",
    )
    python = str(_python_of(folder))
    pip = [outer, "-m", "pip", "--python", python] if outer else [python, "-m", "pip"]
    # What a killed pip leaves there is wiped with the unfinished folder by the next start.
    temporary = folder / "tmp"
    temporary.mkdir()
    _run(
        [*pip, "install", "--quiet", "--require-hashes", "--no-deps", "-r", str(REQUIREMENTS)],
        held,
        remedy=(
            "the first start needs the package index: check the network, the proxy and pip's configuration"
            " (PIP_INDEX_URL for a mirror), then run the same command again"
        ),
        temporary=temporary,
    )
    shutil.rmtree(temporary, ignore_errors=True)


def _pip_owner(held: int) -> str:
    """Return an interpreter whose pip can fill another one's virtualenv, or ""."""
    candidates = [sys.executable] if _has("pip") else []
    candidates.append(getattr(sys, "_base_executable", "") or sys.executable)
    for candidate in dict.fromkeys(candidates):
        code, output = _output([candidate, "-m", "pip", "--version"], held)
        words = output.split()
        if code == 0 and words[:1] == ["pip"] and _numbers(words[1]) >= OLDEST_PIP:
            return candidate
    return ""


def _run(command: list[str], held: int, *, remedy: str, temporary: Path | None = None) -> None:
    code, output = _output(command, held, temporary)
    if code:
        tail = "\n".join(f"    {line}" for line in output.rstrip().splitlines()[-15:])
        raise BootstrapError(f"`{' '.join(command)}` ended with exit code {code}\n{tail}", remedy=remedy)


def _output(command: list[str], held: int, temporary: Path | None = None) -> tuple[int, str]:
    """Run a command to its end; on an interrupt its whole process group is ended first.

    `launch.run` would do, but ending a tree takes psutil, one of the things that may be missing.
    """
    from noxlib import launch  # noqa: PLC0415  can't be imported below Python 3.10

    chunks: list[bytes] = []
    env = {name: value for name, value in os.environ.items() if name not in _WITHHELD}
    private = {"TMPDIR": str(temporary)} if temporary else {}
    setting = launch.Setting(env={**env, **_FIXED, **private}, sink=chunks.append, pass_fds=(held,))
    child = launch.start(command, setting)
    try:
        with _termination_interrupts():
            code = child.wait(INSTALL_SECONDS)
    except BaseException:
        child.send(signal.SIGTERM)
        child.wait(2.0)
        child.send(signal.SIGKILL)
        child.wait()
        raise
    if code is None:
        child.send(signal.SIGKILL)
        code = child.wait() or 1
    return code, b"".join(chunks).decode(errors="replace")


@contextlib.contextmanager
def _termination_interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the installation as ^C does, instead of orphaning it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # nohup's "ignore" is meant.
    ours = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _wiped_on_failure(folder: Path) -> Iterator[None]:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BootstrapError(
            f"{folder}: can't be written: {error.strerror}",
            remedy="free some space, or make the folder yours",
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _ready(folder: Path) -> Path | None:
    """Return the interpreter when the folder is complete, and mark it as used."""
    python = _python_of(folder)
    # A link whose target was uninstalled doesn't exist.
    if not (folder / STAMP).is_file() or not python.exists():
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / STAMP)
    return python


def _prune(folder: Path) -> None:
    for other in folder.parent.glob("bootstrap-*"):
        with contextlib.suppress(OSError):
            if other != folder and other.is_dir() and time.time() - _used(other) > UNUSED_SECONDS:
                shutil.rmtree(other, ignore_errors=True)


def _used(folder: Path) -> float:
    stamp = folder / STAMP
    return (stamp if stamp.exists() else folder).stat().st_mtime


def _python_of(folder: Path) -> Path:
    return folder / "bin" / "python"


def _key() -> str:
    base = getattr(sys, "_base_executable", "") or sys.executable
    parts = (base, *map(str, sys.version_info[:2]), sys.platform, platform.machine())
    return hashlib.sha256("\0".join(parts).encode() + REQUIREMENTS.read_bytes()).hexdigest()[:12]


def _become_nox(python: Path, noxfile: Path) -> None:
    """Replace this process by nox with the same arguments; posargs stay behind their "--"."""
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    # nox has changed into the noxfile's folder by now, so a relative `-f` would miss: the last wins.
    arguments[cut:cut] = ["--noxfile", str(noxfile)]
    _become(python, ["-m", "nox", *arguments])


def _become(python: Path, words: list[str]) -> None:
    for name in ("PYTHONHOME", "__PYVENV_LAUNCHER__"):
        os.environ.pop(name, None)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(python, [str(python), *words])  # noqa: S606  the point of it all


def _hand_over_to_newer_python(words: list[str]) -> None:
    if sys.version_info >= OLDEST_PYTHON:
        os.environ.pop(_NEWER, None)
        return
    have = ".".join(map(str, sys.version_info[:2]))
    newer = None if os.environ.get(_NEWER) else _newer_python()
    if newer is None:
        raise BootstrapError(
            f"Python {have}: noxlib needs Python 3.10 or newer, and none was found on this machine",
            remedy="install one (a system package, pyenv, or uv) and run `python3.12 noxfile.py ...` with it",
        )
    _say(f"Python {have} is too old: going on with {newer}")
    os.environ[_NEWER] = str(newer)
    os.execv(str(newer), [str(newer), *words, *sys.argv[1:]])  # noqa: S606  becomes the newer one


def _newer_python() -> Path | None:
    for minor in range(20, OLDEST_PYTHON[1] - 1, -1):
        found = shutil.which(f"python3.{minor}", path=_path_without_shims())
        if found:
            return Path(found)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    versions = [item for item in root.glob("3.*/bin/python") if _numbers(item.parts[-3]) >= OLDEST_PYTHON]
    return max(versions, key=lambda item: _numbers(item.parts[-3]), default=None)


def _path_without_shims() -> str:
    # A pyenv shim exists for versions that aren't active, and fails.
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(item for item in folders if not item.endswith("/shims"))


def _is_main(noxfile: Path) -> bool:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return main is not None and Path(main).resolve() == noxfile


def _is_nox(program: str) -> bool:
    path = Path(program)
    return path.stem == "nox" or path.parent.name == "nox"


def _has(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _say(text: str) -> None:
    # Not on stdout: `nox -l --json` is read by programs.
    print(f"noxlib: {text}", file=sys.stderr, flush=True)
