"""What is refused, and how it is said, when the server isn't ours."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from external_sessions import PLACE, Container

from noxlib.errors import NotAvailableYetError, ResourceError
from noxlib.model import External, Postgres
from noxlib.resources.external_server import find_external


def replace_password(where: Container, password: str) -> Container:
    return Container(where.running, user=where.user, password=password)


def test_without_the_variable_the_server_is_our_own(container: Container) -> None:
    assert find_external(container.settings(), PLACE, {}) is None
    assert find_external(container.settings(), PLACE, {"CI_DATABASE_URL": ""}) is None
    assert find_external(Postgres(), PLACE, {"CI_DATABASE_URL": container.url}) is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:geheim@prod.example.com/ci_1",
        "postgresql://me:geheim@localhost/prod-ci_1",
        "postgresql://me:geheim@localhost/ci_1?host=prod.example.com",
        "postgresql://me:geheim@localhost,prod.example.com/ci_1",
        "postgresql://me:geheim@%2Fvar%2Frun/ci_1",
        "service=prod",
    ],
)
def test_a_server_that_is_not_on_the_list_is_refused_without_a_connection(url: str) -> None:
    settings = Postgres(external=External(variable="CI_URL", allow=("localhost/ci_*",)))
    with pytest.raises(ResourceError, match=r"services\.a\.postgres\.external\.") as caught:
        find_external(settings, PLACE, {"CI_URL": url})
    assert "geheim" not in str(caught.value)
    assert "CI_URL" in caught.value.message
    assert "unset" in caught.value.remedy


def test_a_server_that_does_not_do_is_refused_with_all_its_faults(container: Container) -> None:
    with pytest.raises(ResourceError, match=r'isn\'t ">=99"; it lacks nosuch, other') as caught:
        container.find(version=">=99", extensions=("nosuch", "plpgsql", "other"))
    assert container.running.lease.values["password"] not in str(caught.value)


def test_a_user_who_may_not_make_databases_is_refused(container: Container) -> None:
    limited = container.limited(rights="", password="it/s%40me")
    with pytest.raises(ResourceError, match=r"CREATEDB.*a URL can't hold") as caught:
        replace_password(limited, "it%2Fs%2540me").find()
    assert "it/s" not in str(caught.value)


def test_a_wrong_password_and_a_closed_port_are_said_without_the_password(container: Container) -> None:
    with pytest.raises(ResourceError, match="password authentication failed") as caught:
        replace_password(container, "not-the-password").find()
    assert "not-the-password" not in str(caught.value)
    container.running.resource.kill()
    with pytest.raises(ResourceError, match="can't be used") as caught:
        container.find()
    assert container.running.lease.values["password"] not in str(caught.value)


def test_a_port_that_is_taken_is_said(external_session: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port {port} is taken"), external_session(fixed_port=port):
            pass


def test_a_migration_that_fails_leaves_nothing(container: Container, external_session: Any) -> None:
    with (
        pytest.raises(ResourceError, match="syntax error"),
        external_session(migrate=("psql", "-c", "nonsense")),
    ):
        pass
    assert container.ours() == 0


def test_a_locale_that_the_server_does_not_have_is_said(container: Container, external_session: Any) -> None:
    with pytest.raises(ResourceError, match=r"postgres\.locale: .*locale"), external_session(locale="xx_YY"):
        pass
    assert container.ours() == 0


def test_a_proxy_is_not_available_here_either(external_session: Any) -> None:
    with pytest.raises(NotAvailableYetError, match="proxy"), external_session(via="proxy"):
        pass
