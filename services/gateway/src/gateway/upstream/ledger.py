"""cs1 as the gateway sees it: fees are booked, balances are read."""

from __future__ import annotations

from uuid import UUID

from gateway.errors import UpstreamRefusedError, UpstreamUnavailableError
from gateway.hires import Hire
from gateway.upstream.answers import Balance, Transfer
from gateway.upstream.service import Service

# What cs1 decides for good. Any other refusal of a transfer is a fault of ours or of cs1's, after
# which nobody knows what was booked: it must not end a hire.
FINAL = ("insufficient-funds", "unknown-account", "unbalanced-transfer", "balance-out-of-range")


class Ledger:
    """cs1's interface."""

    def __init__(self, service: Service) -> None:
        """Take who is asked."""
        self.service = service

    def book(self, hire: Hire) -> UUID:
        """Book a hire's fee once, however often this is called; return the transfer's id.

        The key and the body follow from what never changes of a hire, and so they are always the same.
        Raises UpstreamRefusedError for a reason in FINAL, UpstreamUnavailableError in all other cases.
        """
        order = hire.order
        entries = [
            {"account": str(order.payer), "side": "debit", "amount": order.fee},
            {"account": str(order.payee), "side": "credit", "amount": order.fee},
        ]
        try:
            booked = self.service.ask(
                "POST",
                "/transfers",
                Transfer,
                headers={"Idempotency-Key": f"hire-{hire.id}"},
                json={"description": f"hire {hire.id}", "entries": entries},
            )
        except UpstreamRefusedError as error:
            if error.problem in FINAL:
                raise
            fault = f"refused a fee as {error.problem} ({error.status})"
            raise UpstreamUnavailableError(self.service.name, fault) from error
        return booked.id

    def balance(self, account_id: UUID) -> Balance:
        """Return an account's balance."""
        return self.service.ask("GET", f"/accounts/{account_id}/balance", Balance)
