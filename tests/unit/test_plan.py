"""Platform -> sessions: their names, tags, order, and what each of them starts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from noxlib import plan
from noxlib.model import (
    TEST_TYPES,
    Platform,
    Postgres,
    Process,
    Redis,
    Service,
    SessionPlan,
    SuiteSettings,
    from_json,
    to_json,
)

SERVERS = ("postgres", "redis")
EVERYTHING = ("postgres", "redis", "process")
NEEDS = {
    "unit": (),
    "property": (),
    "integration": SERVERS,
    "e2e": EVERYTHING,
    "stress": EVERYTHING,
    "race": SERVERS,
    "performance": SERVERS,
    "chaos": EVERYTHING,
}


def service(name: str = "cs1", *kinds: str, **given: object) -> Service:
    """Make a service that declares everything, with `kinds` (all where none is named) enabled."""
    types = {kind: SuiteSettings(enabled=kind in (kinds or TEST_TYPES)) for kind in TEST_TYPES}
    made = Service(
        name=name,
        path=name,
        source=(),
        postgres=(Postgres(),),
        redis=Redis(),
        process=Process(command=("run",)),
        types=types,
    )
    return replace(made, **given)  # type: ignore[arg-type]


def bare(name: str = "cs1", *kinds: str, **given: object) -> Service:
    """Make a service that declares no resource."""
    return service(name, *kinds, **{"postgres": (), "redis": None, "process": None, **given})


def platform(*services: Service) -> Platform:
    return Platform(name="acme", services={each.name: each for each in services})


def names(*services: Service) -> list[str]:
    return [each.name for each in plan.sessions(platform(*services))]


def asking(kind: str, *needs: str) -> dict[str, SuiteSettings]:
    return {**service().types, kind: SuiteSettings(needs=needs)}


# --- types ----------------------------------------------------------------------------------


def test_the_table_holds_the_eight_types_in_the_models_order() -> None:
    assert tuple(plan.TYPES) == TEST_TYPES


@pytest.mark.parametrize("kind", TEST_TYPES)
def test_a_type_needs_what_the_design_gives_it(kind: str) -> None:
    assert plan.TYPES[kind].needs == NEEDS[kind]


def test_only_what_measures_has_the_machine_for_itself() -> None:
    assert {kind for kind, each in plan.TYPES.items() if each.exclusive} == {"stress", "performance"}


def test_what_is_timed_or_put_out_of_order_is_not_under_coverage() -> None:
    measured = {kind for kind, each in plan.TYPES.items() if each.measured}
    assert measured == {"unit", "property", "integration", "e2e"}


# --- sessions -------------------------------------------------------------------------------


def test_there_is_one_session_for_each_service_and_enabled_type_in_the_tomls_order() -> None:
    assert names(bare("b", "e2e", "unit"), bare("a", "chaos")) == ["unit-b", "e2e-b", "chaos-a"]


def test_a_service_with_every_type_gets_eight_sessions() -> None:
    assert names(bare("a")) == [f"{kind}-a" for kind in TEST_TYPES]


def test_a_single_python_is_not_in_the_name() -> None:
    (one,) = plan.sessions(platform(bare("a", "unit", pythons=("3.12",))))
    assert (one.name, one.python) == ("unit-a", "3.12")


def test_several_pythons_give_a_session_each_with_the_version_in_the_name() -> None:
    found = plan.sessions(platform(bare("a", "unit", pythons=("3.12", "3.10"))))
    assert [(each.name, each.python) for each in found] == [("unit-a-3.12", "3.12"), ("unit-a-3.10", "3.10")]


def test_without_a_python_the_one_that_runs_nox_is_meant() -> None:
    (one,) = plan.sessions(platform(bare("a", "unit")))
    assert one.python == ""


def test_a_session_is_tagged_with_all_types_its_type_and_its_service() -> None:
    (one,) = plan.sessions(platform(bare("a", "race", pythons=("3.12",))))
    assert one.tags == ("all-types", "race", "a")
    assert (one.service, one.type) == ("a", "race")


def test_sessions_that_measure_are_exclusive() -> None:
    found = plan.sessions(platform(bare("a", "unit", "stress", "performance")))
    assert {each.name: each.exclusive for each in found} == {
        "unit-a": False,
        "stress-a": True,
        "performance-a": True,
    }


@pytest.mark.parametrize(
    ("kind", "on"),
    [
        ("unit", ""),
        ("integration", " on PostgreSQL, Redis"),
        ("e2e", " on PostgreSQL, Redis, its process"),
    ],
)
def test_the_description_names_what_the_session_runs_on(kind: str, on: str) -> None:
    (one,) = plan.sessions(platform(service("a", kind)))
    assert one.description == f"a: {kind} tests{on}: {plan.TYPES[kind].purpose}"


def test_a_session_plan_survives_json() -> None:
    found = plan.sessions(platform(service("a", pythons=("3.12", "3.13"))))
    assert [from_json(SessionPlan, to_json(each)) for each in found] == list(found)


# --- needs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TEST_TYPES)
def test_a_service_gets_what_its_type_needs_and_it_declares(kind: str) -> None:
    assert plan.needs(service(), kind) == set(NEEDS[kind])
    assert plan.needs(bare(), kind) == set()
    assert plan.needs(bare(postgres=(Postgres(),)), kind) == {"postgres"} & set(NEEDS[kind])


def test_needs_of_the_settings_replace_the_types() -> None:
    assert plan.needs(service(types=asking("unit", "redis")), "unit") == {"redis"}
    assert plan.needs(service(types=asking("e2e", "process")), "e2e") == {"process"}


def test_an_empty_list_of_needs_means_none() -> None:
    assert plan.needs(service(types=asking("integration")), "integration") == set()


def test_what_is_asked_for_but_not_declared_is_not_started() -> None:
    assert plan.needs(service(redis=None, types=asking("unit", "redis", "process")), "unit") == {"process"}


# --- started services -----------------------------------------------------------------------


def started(kind: str, *services: Service) -> list[str]:
    return [each.name for each in plan.started_services(platform(*services), services[0], kind)]


def test_dependencies_come_first_and_the_service_last() -> None:
    gateway, shop, identity = (
        service("gateway", depends_on=("shop",)),
        service("shop", depends_on=("identity",)),
        service("identity"),
    )
    assert started("e2e", gateway, shop, identity) == ["identity", "shop", "gateway"]


def test_a_dependency_of_two_is_started_once_before_both() -> None:
    top = service("top", depends_on=("left", "right"))
    left, right = (service(name, depends_on=("bottom",)) for name in ("left", "right"))
    assert started("chaos", top, right, left, service("bottom")) == ["bottom", "left", "right", "top"]


@pytest.mark.parametrize("kind", ["unit", "integration", "performance"])
def test_without_its_own_process_a_service_is_alone(kind: str) -> None:
    assert started(kind, service("a", depends_on=("b",)), service("b")) == ["a"]


def test_a_service_without_a_process_starts_no_dependency_either() -> None:
    assert started("e2e", service("a", depends_on=("b",), process=None), service("b")) == ["a"]


def test_a_stranger_is_not_started() -> None:
    assert started("e2e", service("a"), service("stranger", depends_on=("a",))) == ["a"]


# --- order ----------------------------------------------------------------------------------


def test_the_longest_session_comes_first_and_unknown_ones_keep_their_order() -> None:
    found = plan.sessions(platform(bare("a", "unit", "property", "integration", "e2e")))
    ordered = plan.longest_first(found, {"integration-a": 1.5, "e2e-a": 20.0, "gone-a": 99.0})
    assert [each.name for each in ordered] == ["e2e-a", "integration-a", "unit-a", "property-a"]


def test_sessions_that_measure_come_last_however_long_they_are() -> None:
    found = plan.sessions(platform(bare("a", "unit", "stress", "performance", "chaos")))
    ordered = plan.longest_first(found, {"stress-a": 5.0, "performance-a": 50.0, "chaos-a": 1.0})
    assert [each.name for each in ordered] == ["chaos-a", "unit-a", "performance-a", "stress-a"]
