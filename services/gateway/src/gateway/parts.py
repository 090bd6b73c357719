"""The parts of one process, put together: the only place that knows them all."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import httpx2
from redis import Redis
from sqlalchemy import Engine

from gateway.background import Background, Loop
from gateway.breaker import Breaker
from gateway.cache import Cache
from gateway.database import open_engine
from gateway.fulfilment.next_step import NextStep
from gateway.hire_store import HireStore
from gateway.kept import Kept
from gateway.limits.limiter import KEEP_PLANS, Limiter, PlanBook
from gateway.limits.local import LocalLimiter
from gateway.redis_guard import EDGE_TIMEOUT, RedisGuard, open_redis
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.stream import HireStream
from gateway.upstream.ledger import Ledger
from gateway.upstream.service import Service
from gateway.upstream.staff import Staff
from gateway.worker import Worker

POLL = 0.2  # seconds until the relay looks again by itself
BLOCK = 0.25  # seconds that a worker waits for a message: as long as a stop may take
QUEUE_TIMEOUT = BLOCK + 1.0
KEEP_ROSTER = 2.0  # seconds that the roster of idle agents is used
STOP_TIMEOUT = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transports:
    """What the clients of the upstreams send with; None is the network."""

    cs1: httpx2.BaseTransport | None = None
    plant: httpx2.BaseTransport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What endpoints use and shutdown closes."""

    engine: Engine
    redis: tuple[Redis, ...]
    store: HireStore
    ledger: Ledger
    staff: Staff
    cache: Cache
    limiter: Limiter
    plans: PlanBook
    background: Background
    breakers: dict[str, Breaker]

    def close(self) -> None:
        """Stop the threads, then close what they use."""
        self.background.stop(STOP_TIMEOUT)
        self.ledger.service.close()
        self.staff.service.close()
        for redis in self.redis:
            redis.close()
        self.engine.dispose()


def build(settings: Settings, transports: Transports | None = None) -> Parts:
    """Put the parts together; nothing is opened or started yet."""
    transports = transports or Transports()
    engine = open_engine(settings)
    edge, queue = open_redis(settings.redis_url, EDGE_TIMEOUT), open_redis(settings.redis_url, QUEUE_TIMEOUT)
    guard = RedisGuard(edge, Breaker())
    ledger = Ledger(Service("cs1", settings.cs1_url, settings.upstream_timeout, transports.cs1))
    plant = Service("plant", settings.plant_url, settings.upstream_timeout, transports.plant)
    staff = Staff(plant, settings.tenant)
    store = HireStore(engine)
    plans = PlanBook(engine, settings.default_plan)
    next_step = NextStep(staff, Kept(staff.roster, KEEP_ROSTER), ledger)
    breakers = {"cs1": ledger.service.breaker, "plant": plant.breaker, "redis": guard.breaker}
    return Parts(
        engine=engine,
        redis=(edge, queue),
        store=store,
        ledger=ledger,
        staff=staff,
        cache=Cache(guard),
        limiter=Limiter(guard, LocalLimiter(), plans.plan_of),
        plans=plans,
        background=_background(settings, store, HireStream(queue, settings.lease), next_step, plans),
        breakers=breakers,
    )


def _background(
    settings: Settings, store: HireStore, stream: HireStream, next_step: NextStep, plans: PlanBook
) -> Background:
    host = socket.gethostname()
    workers = [
        Worker(f"{host}-{number}", store, stream, next_step, BLOCK) for number in range(settings.workers)
    ]
    relay = Loop("relay", Relay(store, stream, settings.lease).step, POLL)
    loops = [Loop(f"worker-{number}", worker.step, 0.0) for number, worker in enumerate(workers)]
    return Background(relay, [*loops, Loop("plans", plans.renew, KEEP_PLANS)])
