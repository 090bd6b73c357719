from __future__ import annotations

import os
import pwd
from types import SimpleNamespace

import pytest

from noxlib.errors import ResourceError
from noxlib.launch import Credentials
from noxlib.resources.postgres_user import server_credentials


def machine(monkeypatch: pytest.MonkeyPatch, uid: int, **users: int) -> None:
    """Let the machine have these users, and us be one of them."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    entries = {name: SimpleNamespace(pw_uid=number, pw_gid=number + 1) for name, number in users.items()}
    monkeypatch.setattr(pwd, "getpwnam", entries.__getitem__)


def test_an_ordinary_user_runs_servers_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 1000, postgres=26)
    assert server_credentials() is None


@pytest.mark.parametrize(("users", "uid"), [({"postgres": 26, "nobody": 99}, 26), ({"nobody": 99}, 99)])
def test_root_runs_them_as_an_unprivileged_user(
    monkeypatch: pytest.MonkeyPatch, users: dict[str, int], uid: int
) -> None:
    machine(monkeypatch, 0, **users)
    assert server_credentials() == Credentials(uid=uid, gid=uid + 1)


def test_root_without_such_a_user_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 0)
    with pytest.raises(ResourceError, match="root") as caught:
        server_credentials()
    assert "ordinary user" in caught.value.remedy
