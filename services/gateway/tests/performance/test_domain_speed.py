from __future__ import annotations

from uuid import UUID, uuid4

from pytest_benchmark.fixture import BenchmarkFixture

from gateway.breaker import Breaker
from gateway.embedding import DIMENSIONS, embed
from gateway.fulfilment.roster import Roster, choose
from gateway.hires import Agent
from gateway.limits.gcra import decide
from gateway.limits.plans import Plan
from gateway.upstream.answers import Hit, Skill
from gateway_memory import order


def test_decide_a_request(benchmark: BenchmarkFixture) -> None:
    plan = Plan(per_second=50, burst=100)
    assert benchmark(decide, 0, 1_800_000_000_000_000, plan).remaining == 99


def test_pass_a_breaker(benchmark: BenchmarkFixture) -> None:
    breaker = Breaker()

    def call() -> float:
        wait = breaker.wait()
        breaker.succeeded()
        return wait

    assert benchmark(call) == 0.0


def test_embed_a_text(benchmark: BenchmarkFixture) -> None:
    assert len(benchmark(embed, "TIG welding of stainless steel pipes under water")) == DIMENSIONS


def test_choose_among_two_hundred_agents(benchmark: BenchmarkFixture) -> None:
    agents = tuple(Agent(id=UUID(int=number), name=str(number)) for number in range(200))
    hits = [Hit(skill=Skill(id=uuid4(), name="welding", category="welder"), distance=0.1)]
    chosen = benchmark(choose, UUID(int=7), hits, Roster(idle={"welder": agents}))
    assert chosen in agents


def test_fingerprint_a_hire(benchmark: BenchmarkFixture) -> None:
    assert len(benchmark(order().fingerprint)) == 32
