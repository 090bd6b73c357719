"""The plugin in a pytest of its own, with a session file as the supervisor writes it."""

from __future__ import annotations

import json

import pytest
from plugin_suite import Suite

OUTCOMES = """
import pytest
def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.xfail(reason="known")
def test_known(): assert False
@pytest.fixture
def broken(): raise RuntimeError("no")
def test_error(broken): pass
"""


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_outcomes_hold_how_every_test_ended(suite: Suite, words: tuple[str, ...]) -> None:
    ended = suite.run("integration", OUTCOMES, *words)
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_skipped": "skipped",
        "test_known": "xfailed",
        "test_error": "error",
    }
    assert "later" in ended.outcomes["test_skipped"]["reason"]


def test_a_file_that_cannot_be_imported_is_an_error(suite: Suite) -> None:
    ended = suite.run("integration", "import nothing_like_this\n")
    assert [row["outcome"] for row in ended.outcomes.values()] == ["error"]


SOCKETS = """
import multiprocessing, socket
def test_connects(): socket.create_connection(("127.0.0.1", 9), timeout=1)
def test_binds(): socket.socket().bind(("127.0.0.1", 0))
def test_looks_up(): socket.getaddrinfo("localhost", 80)
def test_unix(tmp_path): socket.socket(socket.AF_UNIX).bind(str(tmp_path / "s"))
def test_pair():
    one, other = socket.socketpair()
    one.close(); other.close()
"""


def test_a_unit_test_that_opens_a_socket_fails_by_name(suite: Suite) -> None:
    ended = suite.run("unit", SOCKETS, "-p", "no:randomly")
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found.pop("test_pair") == "passed"
    assert set(found.values()) == {"failed"}
    assert "a unit test opens no socket" in ended.output


OUTSIDE = """
import socket, threading
def test_outside(): socket.create_connection(("192.0.2.1", 80), timeout=1)
def test_name(): socket.getaddrinfo("somewhere.example", 80)
def test_loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    socket.getaddrinfo("localhost", 80)
"""


QUIET_SOCKETS = """
import socket, threading
def connect():
    try: socket.create_connection(("127.0.0.1", 9), timeout=1)
    except BaseException: pass
def test_swallowed(): connect()
def test_in_a_thread():
    thread = threading.Thread(target=connect)
    thread.start(); thread.join()
def test_named_like_a_listener(tmp_path):
    with socket.socket(socket.AF_UNIX) as one: one.bind(str(tmp_path / "listener-1"))
def test_by_name(): socket.gethostbyname("localhost")
def test_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one: one.sendmsg([b"x"], [], 0, ("127.0.0.1", 9))
def test_next_one(): pass
def test_processes_of_one_test():
    from multiprocessing.connection import Listener
    Listener(family="AF_UNIX").close()
"""


def test_a_socket_that_nobody_hears_of_fails_its_unit_test_too(suite: Suite) -> None:
    ended = suite.run("unit", QUIET_SOCKETS, "-p", "no:randomly")
    rows = ended.outcomes
    assert [rows.pop(name)["outcome"] for name in ("test_next_one", "test_processes_of_one_test")] == [
        "passed",
        "passed",
    ]
    for row in rows.values():
        assert (row["outcome"], "opens no socket" in row["reason"]) == ("failed", True)


HANDLED = """
import pytest, socket
def test_handled():
    with pytest.raises(OSError, match="may not connect to 192.0.2.1:80 at tests/test_it.py:5"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
def test_look_up_handled():
    with pytest.raises(socket.gaierror, match="network = .open."): socket.gethostbyname("somewhere.example")
def test_own_name():
    try: socket.getaddrinfo(socket.gethostname(), 1)
    except socket.gaierror as error: assert "noxlib" not in str(error)
def test_datagram_outside():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, pytest.raises(OSError, match="192.0.2.1"):
        one.sendmsg([b"x"], [], 0, ("192.0.2.1", 9))
def test_loopback_in_other_clothes():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one: one.connect(("::ffff:127.0.0.1", 9))
def test_a_name_that_connect_looks_up(): socket.socket(type=socket.SOCK_DGRAM).connect(("localhost", 9))
def test_talk_with_the_kernel():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one: one.bind((0, 0))
"""


def test_a_closed_network_looks_like_an_unreachable_one(suite: Suite) -> None:
    ended = suite.run("integration", HANDLED, "-W", "ignore::pytest.PytestUnraisableExceptionWarning")
    assert ended.code == 0, ended.output


def test_the_outside_is_refused_and_loopback_is_not(suite: Suite) -> None:
    ended = suite.run("integration", OUTSIDE)
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found == {"test_outside": "failed", "test_name": "failed", "test_loopback": "passed"}
    assert 'network = "open"' in ended.output


def test_load_counts_iterations_and_failures(suite: Suite) -> None:
    text = (
        "def test_load(noxlib_load):\n"
        "    def work(user):\n"
        "        if user: raise ValueError('no')\n"
        "        sum(range(100))\n"
        "    result = noxlib_load(work, seconds=0.2)\n"
        "    assert 0 < result.failures < result.iterations and result.rate > 0\n"
        "    assert result.errors == {'ValueError': result.failures}\n"
    )
    ended = suite.run("stress", text)
    assert ended.code == 0, ended.output
    load = json.loads((ended.folder / "run/load.json").read_text())
    assert load["iterations"] > load["failures"] > 0
    assert load["response_times_ms"]["p50"] <= load["response_times_ms"]["max"]


def test_an_operation_that_calls_fail_is_a_failure(suite: Suite) -> None:
    text = (
        "import pytest\n"
        "def test_load(noxlib_load):\n"
        "    result = noxlib_load(lambda user: pytest.fail('no'), seconds=0.1)\n"
        "    assert result.failures == result.iterations > 0\n"
    )
    ended = suite.run("stress", text)
    assert ended.code == 0, ended.output
    assert "beside other xdist workers" in suite.run("stress", text, "-n", "1").output


@pytest.mark.parametrize("fixture", ["noxlib_race", "noxlib_race_asyncio", "noxlib_load", "noxlib_chaos"])
def test_a_fixture_of_another_type_is_refused_with_the_remedy(suite: Suite, fixture: str) -> None:
    ended = suite.run("integration", f"def test_it({fixture}): pass\n")
    assert ended.code == 1
    assert "move the test to tests/" in ended.output


def test_chaos_names_what_there_is_and_says_when_nobody_answers(suite: Suite) -> None:
    text = (
        "import pytest\n"
        "def test_none(noxlib_chaos):\n"
        "    noxlib_chaos.postgres\n"
        "def test_silent(noxlib_chaos):\n"
        "    noxlib_chaos.wait_healthy(timeout=0.1)\n"
        "def test_never(noxlib_chaos):\n"
        "    noxlib_chaos.eventually(lambda: False, within=0.1)\n"
        "def test_at_last(noxlib_chaos):\n"
        "    left = [1, 2]\n"
        "    assert noxlib_chaos.eventually(lambda: left.pop() == 1 and 'yes') == 'yes'\n"
    )
    ended = suite.run("chaos", text)
    found = {name: row["outcome"] for name, row in ended.outcomes.items()}
    assert found.pop("test_at_last") == "passed"
    assert set(found.values()) == {"failed"}
    for words in ("no such postgres", "can't be reached", "not within 0.1 s"):
        assert words in ended.output


def test_hypothesis_keeps_its_examples_also_where_ci_is_set(suite: Suite) -> None:
    text = (
        "from hypothesis import given, settings, strategies as st\n"
        "def test_profile():\n"
        "    assert settings.default.database is not None and not settings.default.derandomize\n"
        "@given(st.integers())\n"
        "def test_small(n): assert n < 100\n"
    )
    ended = suite.run("property", text, env={"CI": "true"})
    assert ended.outcomes["test_profile"]["outcome"] == "passed"
    assert ended.outcomes["test_small"]["outcome"] == "failed"
    assert list((ended.folder / "examples").rglob("*"))


def test_the_plugin_is_inert_outside_of_a_session(suite: Suite) -> None:
    (suite.folder / "run/outcomes.json").unlink(missing_ok=True)
    ended = suite.run(
        "unit",
        "import socket\ndef test_it(): socket.getaddrinfo('localhost', 1)\n",
        env={"NOXLIB_SESSION": ""},
    )
    assert ended.code == 0
    assert not (suite.folder / "run/outcomes.json").exists()


def test_a_session_file_that_makes_no_sense_is_said(suite: Suite) -> None:
    broken = suite.folder / "broken.json"
    broken.write_text("{")
    ended = suite.run("unit", "def test_it(): pass\n", env={"NOXLIB_SESSION": str(broken)})
    assert ended.code != 0
    assert "no session file" in ended.output
