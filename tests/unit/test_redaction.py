from __future__ import annotations

from noxlib.redaction import Redactor


def test_of_two_secrets_that_begin_alike_the_longer_is_replaced() -> None:
    redactor = Redactor(["pass", "password1"])

    assert redactor.text("password1 pass") == "[redacted] [redacted]"


def test_a_short_secret_waits_until_the_longer_one_is_out_of_question() -> None:
    redactor = Redactor(["pass", "password1"])

    assert redactor.feed(b"pass") == b""
    assert redactor.feed(b"word2") == b"[redacted]word2"


def test_what_cannot_become_a_secret_is_shown_at_once() -> None:
    assert Redactor(["hunter2"]).feed(b"ready to accept hun... no") == b"ready to accept hun... no"


def test_an_unfinished_secret_is_shown_at_the_streams_end() -> None:
    redactor = Redactor(["hunter2"])

    assert redactor.feed(b"go hunt") == b"go "
    assert redactor.flush() == b"hunt"
    assert redactor.flush() == b""


def test_the_mask_itself_is_not_redacted_again() -> None:
    redactor = Redactor(["redacted", "x"])

    assert redactor.text("x") == "[redacted]"


def test_a_secret_added_later_counts_from_then_on_for_every_twin() -> None:
    redactor = Redactor()
    twin = redactor.twin()
    assert twin.feed(b"s3cret ") == b"s3cret "

    redactor.add(["s3cret", ""])

    assert twin.feed(b"s3cret") == b"[redacted]"


def test_an_empty_secret_is_ignored() -> None:
    assert Redactor([""]).text("abc") == "abc"


def test_special_characters_of_regular_expressions_are_literal() -> None:
    assert Redactor(["a.*"]).text("abc a.*") == "abc [redacted]"


def test_a_name_that_is_not_utf8_can_be_redacted_and_shown() -> None:
    assert Redactor(["\udcff1"]).feed(b"\xff1.") == b"[redacted]."
    assert Redactor(["\udcff1"]).text("x\udcff1") == "x[redacted]"
    assert "�" in Redactor().text("\ud800")
