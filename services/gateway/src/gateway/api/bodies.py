"""Bodies of requests and responses. Fees are whole minor units of the accounts' currency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway.cache import Cached
from gateway.embedding import WORD
from gateway.hire_store import Backlog
from gateway.hires import Hire, HireOrder, State
from gateway.upstream.answers import Balance, Hits, Skill

MAX_FEE = 10**12
Client = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")]
IdempotencyKey = Annotated[str, Field(pattern=r"^[!-~]{1,255}$")]


def _meaningful(text: str) -> str:
    if not WORD.search(text):
        raise ValueError("must hold a word")
    return text


Words = Annotated[  # PostgreSQL's text can't hold NUL
    str, Field(max_length=200, pattern=r"^[^\x00]*$"), AfterValidator(_meaningful)
]


class Body(BaseModel):
    """Refuse what isn't known: a misspelt key must not be dropped in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewHire(Body):
    """POST /hires."""

    skill: Words
    payer: UUID
    payee: UUID
    fee: Annotated[int, Field(strict=True, gt=0, le=MAX_FEE)]

    @model_validator(mode="after")
    def _pays_another(self) -> NewHire:
        if self.payer == self.payee:
            raise ValueError("payer and payee must be two accounts")
        return self

    def order(self, client: str, key: str) -> HireOrder:
        """Return what is to be done."""
        return HireOrder(
            client=client, key=key, skill=self.skill, payer=self.payer, payee=self.payee, fee=self.fee
        )


class AgentBody(Body):
    """Who is hired."""

    id: UUID
    name: str


class HireBody(Body):
    """A hire as it stands."""

    id: UUID
    state: State
    skill: str
    payer: UUID
    payee: UUID
    fee: int
    agent: AgentBody | None
    transfer: UUID | None
    reason: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, hire: Hire) -> HireBody:
        """Show a hire."""
        order = hire.order
        return cls(
            id=hire.id,
            state=hire.state,
            skill=order.skill,
            payer=order.payer,
            payee=order.payee,
            fee=order.fee,
            agent=AgentBody(id=hire.agent.id, name=hire.agent.name) if hire.agent else None,
            transfer=hire.transfer_id,
            reason=hire.reason,
            created_at=hire.created_at,
            updated_at=hire.updated_at,
        )


class NewSkill(Body):
    """POST /skills."""

    name: Words
    category: Words


class SkillBody(Body):
    """A skill."""

    id: UUID
    name: str
    category: str

    @classmethod
    def of(cls, skill: Skill) -> SkillBody:
        """Show a skill."""
        return cls(id=skill.id, name=skill.name, category=skill.category)


class HitBody(Body):
    """A skill that was found, and how far it is from what was asked for: 0 is the same."""

    skill: SkillBody
    distance: float


class HitsBody(Body):
    """What a search found, nearest first. `degraded`: plant is away, this is what it said last."""

    hits: Sequence[HitBody]
    degraded: bool

    @classmethod
    def of(cls, found: Cached[Hits]) -> HitsBody:
        """Show hits."""
        hits = [HitBody(skill=SkillBody.of(hit.skill), distance=hit.distance) for hit in found.body.hits]
        return cls(hits=hits, degraded=found.degraded)


class BalanceBody(Body):
    """An account's balance. `degraded`: cs1 is away, this is what it said last."""

    account: UUID
    currency: str
    balance: int
    degraded: bool

    @classmethod
    def of(cls, found: Cached[Balance]) -> BalanceBody:
        """Show a balance."""
        balance = found.body
        return cls(
            account=balance.account,
            currency=balance.currency,
            balance=balance.balance,
            degraded=found.degraded,
        )


class BacklogBody(Body):
    """What is accepted and not finished."""

    waiting: int
    oldest_seconds: float

    @classmethod
    def of(cls, backlog: Backlog) -> BacklogBody:
        """Show it."""
        return cls(waiting=backlog.waiting, oldest_seconds=backlog.oldest)


class HealthBody(Body):
    """Whether hires are accepted, and which of the services behind are left alone just now."""

    status: str
    circuits: dict[str, str]
