"""What can go wrong in the ledger, each with its HTTP status and its problem type (RFC 9457)."""

from __future__ import annotations

from typing import ClassVar


class LedgerError(Exception):
    """Say why a request was refused; the text is shown to the client."""

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "ledger-error"
    title: ClassVar[str] = "The ledger refused the request"


class NotFoundError(LedgerError):
    """No account or transfer with this id."""

    status = 404
    slug = "not-found"
    title = "Not found"


class UnknownAccountError(LedgerError):
    """A transfer names an account that doesn't exist."""

    status = 422
    slug = "unknown-account"
    title = "Unknown account"


class UnbalancedError(LedgerError):
    """Debits and credits of a transfer differ in a currency, or there are fewer than two entries."""

    status = 422
    slug = "unbalanced-transfer"
    title = "The transfer doesn't balance"


class InsufficientFundsError(LedgerError):
    """An account would go further below zero than its overdraft allows."""

    status = 409
    slug = "insufficient-funds"
    title = "Insufficient funds"


class OutOfRangeError(LedgerError):
    """A balance would leave the range of a 64-bit integer."""

    status = 422
    slug = "balance-out-of-range"
    title = "Balance out of range"


class KeyReusedError(LedgerError):
    """An idempotency key came again with another body."""

    status = 422
    slug = "idempotency-key-reused"
    title = "Idempotency key reused"


class BadCursorError(LedgerError):
    """A statement's cursor that this service didn't hand out for this account."""

    status = 400
    slug = "bad-cursor"
    title = "Bad cursor"


class UnknownRateError(LedgerError):
    """The rates provider has no rate for a pair of currencies."""

    status = 404
    slug = "unknown-rate"
    title = "No rate for this pair of currencies"


class RatesUnavailableError(LedgerError):
    """The rates provider is not configured, can't be reached or answers nonsense."""

    status = 502
    slug = "rates-unavailable"
    title = "Rates are unavailable"


class DatabaseUnavailableError(LedgerError):
    """The database can't be reached; whether an open transaction committed is unknown.

    A client repeats the request with the same idempotency key, which never posts twice.
    """

    status = 503
    slug = "database-unavailable"
    title = "The database is unavailable"
