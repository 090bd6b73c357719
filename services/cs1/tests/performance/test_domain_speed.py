from __future__ import annotations

from datetime import datetime, timezone
from uuid import UUID

from pytest_benchmark.fixture import BenchmarkFixture

from cs1.api.bodies import NewTransfer, StatementBody
from cs1.ledger import Account, Entry, Kind, Side, Tip, post
from cs1.records import StatementLine, StatementPage

IDS = [UUID(int=number) for number in range(1, 21)]
ACCOUNTS = {id_: Account(id=id_, kind=Kind.LIABILITY, currency="EUR", overdraft=10**9) for id_ in IDS}
TIPS = {id_: Tip(number=100, balance=-(10**6)) for id_ in IDS}
SALARIES = [
    Entry(account_id=IDS[0], side=Side.DEBIT, amount=1900),
    *(Entry(account_id=id_, side=Side.CREDIT, amount=100) for id_ in IDS[1:]),
]


def test_post_twenty_entries(benchmark: BenchmarkFixture) -> None:
    booked = benchmark(post, ACCOUNTS, TIPS, SALARIES)
    assert booked[0].tip == Tip(number=101, balance=-(10**6) + 1900)


def test_read_a_transfer_of_twenty_entries(benchmark: BenchmarkFixture) -> None:
    entries = [
        {"account": str(entry.account_id), "side": entry.side, "amount": entry.amount} for entry in SALARIES
    ]
    text = NewTransfer.model_validate({"entries": entries}).model_dump_json()
    order = benchmark(lambda: NewTransfer.model_validate_json(text).order("key"))
    assert list(order.entries) == SALARIES


def test_render_a_statement_page(benchmark: BenchmarkFixture) -> None:
    lines = [
        StatementLine(
            number=number,
            transfer_id=UUID(int=number),
            description="monthly fee",
            posted_at=datetime(2026, 10, 1, tzinfo=timezone.utc),
            side=Side.DEBIT,
            amount=5,
            balance=1000 - 5 * number,
        )
        for number in range(1, 51)
    ]
    page = StatementPage(account=ACCOUNTS[IDS[0]], lines=lines, next_cursor=None)
    text = benchmark(lambda: StatementBody.of(page).model_dump_json())
    assert text.count("monthly fee") == 50
