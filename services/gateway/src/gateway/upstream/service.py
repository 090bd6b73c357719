"""One service behind the gateway: time-outs, retries with backoff, a circuit breaker."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from gateway.breaker import Breaker
from gateway.errors import UpstreamRefusedError, UpstreamUnavailableError
from gateway.logs import request_id

TRIES = 3
FIRST_PAUSE = 0.05  # seconds between two tries of a request; doubled each time, half left to chance
CONNECT_TIMEOUT = 0.5
PASSING = (429, 502, 503, 504)  # what a service says that may answer the same request in a moment
REFUSALS = (400, 404, 409, 422)

B = TypeVar("B", bound=BaseModel)

logger = logging.getLogger(__name__)


class Service:
    """Ask a service over HTTP. Every request must be one that may be repeated: a read, or with a key."""

    def __init__(  # noqa: PLR0917  the last three are for tests
        self,
        name: str,
        url: str,
        timeout: float,
        transport: httpx2.BaseTransport | None = None,
        breaker: Breaker | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open no connection yet; `timeout` is in seconds, for each try."""
        self.name = name
        self.breaker = breaker or Breaker()
        self._sleep = sleep
        self._timeout = timeout
        limits = httpx2.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout))
        self._client = httpx2.Client(base_url=url, timeout=limits, transport=transport)

    def ask(
        self,
        method: str,
        path: str,
        answer: type[B],
        headers: Mapping[str, str] | None = None,
        **request: Any,
    ) -> B:
        """Send a request, again if need be, and return its answer as a body that was checked.

        Raises UpstreamRefusedError when the service says no, UpstreamUnavailableError in all other cases.
        """
        sent = {**(headers or {}), **({"X-Request-Id": request_id.get()} if request_id.get() else {})}
        response = self._answered(method, path, {"headers": sent, **request})
        if response.status_code in REFUSALS:
            raise self._refusal(response)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise UpstreamUnavailableError(self.name, "gave an answer that makes no sense") from error

    def close(self) -> None:
        """Close pooled connections."""
        self._client.close()

    def _answered(self, method: str, path: str, request: dict[str, Any]) -> httpx2.Response:
        for again in range(TRIES - 1, -1, -1):
            wait = self.breaker.wait()
            if wait > 0:
                raise UpstreamUnavailableError(self.name, "is left alone for a moment", max(wait, 0.1))
            try:
                response = self._whole(method, path, request)
            except httpx2.TimeoutException as error:
                # Not repeated: who has waited for so long has waited enough.
                self.breaker.failed()
                raise UpstreamUnavailableError(self.name, "didn't answer in time") from error
            except httpx2.HTTPError as error:
                self.breaker.failed()
                fault: tuple[str, Exception | None] = ("can't be reached", error)
            else:
                if response.is_success or response.status_code in REFUSALS:
                    self.breaker.succeeded()
                    return response
                self.breaker.failed()
                fault = (f"answered {response.status_code}", None)
                if response.status_code not in PASSING:
                    break
            if again:
                pause = FIRST_PAUSE * 2.0 ** (TRIES - 1 - again)
                self._sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  spreads the tries, hides nothing
        raise UpstreamUnavailableError(self.name, fault[0]) from fault[1]

    def _whole(self, method: str, path: str, request: dict[str, Any]) -> httpx2.Response:
        """Return an answer whose body is here within the time-out, counted from before connecting.

        httpx2's own time-outs are for one wait each, and a peer may go on to drip. So the time is looked
        at between the waits: a call ends within twice the time-out. Headers are one wait to us.
        """
        deadline = time.monotonic() + self._timeout
        content = b""
        with self._client.stream(method, path, **request) as response:
            for piece in chain([b""], response.iter_bytes()):
                if time.monotonic() > deadline:
                    raise httpx2.ReadTimeout("the rest didn't come in time")
                content += piece
        return httpx2.Response(response.status_code, content=content)

    def _refusal(self, response: httpx2.Response) -> UpstreamRefusedError:
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        if not isinstance(problem, dict):
            problem = {}
        slug = str(problem.get("type", "")).rpartition(":")[2] or "unknown"
        detail = str(problem.get("detail") or problem.get("title") or response.status_code)
        return UpstreamRefusedError(self.name, response.status_code, slug, detail)
