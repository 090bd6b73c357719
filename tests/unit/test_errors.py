from __future__ import annotations

import pytest

from noxlib import errors
from noxlib.errors import NoxlibError


def _classes() -> list[type[NoxlibError]]:
    found = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, NoxlibError)
    ]
    return sorted(found, key=lambda each: each.__name__)


def test_the_remedy_stands_on_a_line_of_its_own() -> None:
    error = NoxlibError("services.toml:3: no such key", remedy="write `path`")

    assert str(error) == "services.toml:3: no such key\n  to fix it: write `path`"
    assert (error.message, error.remedy) == ("services.toml:3: no such key", "write `path`")


def test_without_a_remedy_the_message_is_all() -> None:
    assert str(NoxlibError("one\ntwo")) == "one\ntwo"


def test_every_class_has_an_exit_code_of_its_own() -> None:
    codes = [each.exit_code for each in _classes()]

    assert len(set(codes)) == len(codes) > 10


@pytest.mark.parametrize("kind", _classes(), ids=lambda each: each.__name__)
def test_no_exit_code_means_success_or_a_signal_or_an_ordinary_failure(kind: type[NoxlibError]) -> None:
    assert 1 < kind.exit_code < 126


@pytest.mark.parametrize("kind", _classes(), ids=lambda each: each.__name__)
def test_every_class_says_when_it_is_raised_and_under_which_title(kind: type[NoxlibError]) -> None:
    assert kind.__doc__
    assert kind.title
    assert kind is NoxlibError or kind.title != NoxlibError.title
