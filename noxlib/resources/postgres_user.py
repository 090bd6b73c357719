"""The user that PostgreSQL's programs are run as: they refuse root."""

from __future__ import annotations

import os
import pwd

from noxlib.errors import ResourceError
from noxlib.launch import Credentials

# initdb looks its user up in passwd: a bare number won't do.
_NAMES = ("postgres", "nobody")


def server_credentials() -> Credentials | None:
    """Return whom the server is run as when we are root, None when we are not.

    Raises ResourceError when the machine has no unprivileged user at all.
    """
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Credentials(uid=entry.pw_uid, gid=entry.pw_gid)
    raise ResourceError(
        "postgres: refuses to run as root, and there is no unprivileged user to run it as",
        remedy=f"add one of the users {', '.join(_NAMES)}, or run nox as an ordinary user",
    )
