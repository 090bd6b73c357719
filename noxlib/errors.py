"""The error tree: one exit code and one remedy per class.

Every error that a user can cause is a `NoxlibError`. Its text has the form
`place: fault. remedy`; the front ends print it without a traceback and end with its exit code.
Standard library only: the pytest plugin imports this module in a service's environment.
"""

from __future__ import annotations

from typing import ClassVar


class NoxlibError(Exception):
    """Say what failed, where, and what to do about it.

    `message` is one or more lines; `remedy`, where the message doesn't hold it already, is
    printed on a line of its own.
    """

    exit_code: ClassVar[int] = 10
    title: ClassVar[str] = "noxlib"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        """Keep the message and the remedy apart, so that a report can show either."""
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message, followed by the remedy on a line of its own."""
        return f"{self.message}\n  to fix it: {self.remedy}" if self.remedy else self.message


class ConfigError(NoxlibError):
    """services.toml says something that can't be meant; holds every problem at once."""

    exit_code = 11
    title = "services.toml"


class PythonNotFoundError(NoxlibError):
    """No interpreter of the version that a service asks for."""

    exit_code = 12
    title = "python"


class EnvironmentBuildError(NoxlibError):
    """A virtualenv could not be built: no lock file, an installer that failed, a tool too old."""

    exit_code = 13
    title = "environment"


class ResourceError(NoxlibError):
    """A resource could not be started, migrated or seeded."""

    exit_code = 14
    title = "resource"


class BinariesNotFoundError(ResourceError):
    """No server binaries that fit the version and the extensions asked for."""

    exit_code = 15
    title = "binaries"


class BoxError(NoxlibError):
    """The box could not be entered or left."""

    exit_code = 16
    title = "box"


class SuiteError(NoxlibError):
    """A suite could not be run, ended with a failure or ran out of time."""

    exit_code = 17
    title = "suite"


class GateError(NoxlibError):
    """The suite ran and its evidence was judged insufficient."""

    exit_code = 18
    title = "gate"


class RecordError(NoxlibError):
    """A folder of noxlib's can't be read or written: a full disk, a foreign owner, a broken file."""

    exit_code = 19
    title = "disk"


class BootstrapError(NoxlibError):
    """What is missing could not be bootstrapped."""

    exit_code = 20
    title = "bootstrap"


class ProtocolError(NoxlibError):
    """The control socket refused a request, or its answer made no sense."""

    exit_code = 21
    title = "control"


class UsageError(NoxlibError):
    """A command line, or a variable of noxlib's, that can't be understood."""

    exit_code = 2
    title = "usage"


class NotAvailableYetError(NoxlibError):
    """services.toml asks for something that is parsed already and not built yet."""

    exit_code = 22
    title = "not available yet"
