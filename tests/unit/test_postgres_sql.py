from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from noxlib.resources import postgres_sql


def test_an_identifier_is_quoted_whatever_it_holds() -> None:
    assert postgres_sql.quoted('a "b" c') == '"a ""b"" c"'


@pytest.mark.parametrize("iterations", [1, 4096])
def test_a_verifier_proves_its_password_and_no_other(iterations: int) -> None:
    mechanism, salted, keys = postgres_sql.verifier("pässword", iterations).split("$")
    count, salt = salted.split(":")
    stored, server = (base64.b64decode(key) for key in keys.split(":"))

    def proof(password: str) -> tuple[bytes, bytes]:
        key = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(count))
        client = hmac.digest(key, b"Client Key", "sha256")
        return hashlib.sha256(client).digest(), hmac.digest(key, b"Server Key", "sha256")

    assert (mechanism, int(count)) == ("SCRAM-SHA-256", iterations)
    assert proof("pässword") == (stored, server)
    assert proof("password") != (stored, server)


def test_two_verifiers_of_one_password_differ() -> None:
    assert postgres_sql.verifier("x", 1) != postgres_sql.verifier("x", 1)
