"""The outermost layer: what holds for every request, whoever answers it, also for 404 and 405."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from server import errors, logs
from server.deadline import Deadline
from server.envelopes import Envelopes, is_under
from server.metrics import request_stages

if TYPE_CHECKING:
    from server.cors import Cors
    from server.health import Health
    from server.metrics import Metrics

access = logging.getLogger("access")
logger = logging.getLogger(__name__)

# Always answered, never counted as in flight, logged at debug level only.
OPERATION = ("/health", "/metrics", "/schema")
# As long as the body: their time is bounded by the operator's patience.
ENDLESS = ("/admin/v1/import", "/admin/v1/export", "/api/v1/insights/dump")
# What a stage has to notice the deadline itself, before its task is cancelled.
GRACE_S = 0.25
# What no route has.
NO_METHOD = "NONE"
GIVEN_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def deadline_of(request: Request[Any, Any, Any]) -> Deadline:
    """The moment by which this request must be answered."""
    deadline: Deadline = request.scope["state"]["deadline"]
    return deadline


class Middleware:
    """Request id, deadline, readiness, CORS, timing, in-flight count, access log, last resort for faults."""

    def __init__(
        self,
        inner: ASGIApp,
        *,
        timeout_s: float,
        parts: tuple[str, ...],
        health: Health,
        metrics: Metrics,
        envelopes: Envelopes,
        cors: Cors,
        overridable: tuple[str, ...] = (),
    ) -> None:
        self._inner = inner
        self._overridable = overridable
        self._timeout_s = timeout_s
        self._parts = parts
        self._health = health
        self._metrics = metrics
        self._envelopes = envelopes
        self._cors = cors
        # Requests being answered by this process; the metric adds up all of them.
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._cors, self._health)
        is_operation = any(is_under(exchange.path, prefix) for prefix in OPERATION)
        tokens = (
            logs.request_id.set(exchange.request_id),
            logs.traceparent.set(exchange.traceparent),
            request_stages.set(exchange.stages),
        )
        if not is_operation:
            self.in_flight += 1
            self._metrics.in_flight.inc()
        try:
            await self._serve(exchange, scope, receive, is_operation)
        finally:
            if not is_operation:
                self.in_flight -= 1
                self._metrics.in_flight.dec()
            self._record(exchange, is_operation)
            for variable, token in zip(
                (logs.request_id, logs.traceparent, request_stages), tokens, strict=True
            ):
                variable.reset(token)  # type: ignore[attr-defined]

    async def _serve(self, exchange: _Exchange, scope: Scope, receive: Receive, is_operation: bool) -> None:
        if exchange.is_preflight and await self._preflight(exchange, scope, receive):
            return
        try:
            if not is_operation and not self._health.is_started:
                raise errors.NotReady("The server is starting")
            await self._answer(exchange, scope, receive)
        except Exception as fault:
            if exchange.status:
                # Too late for another answer: breaking the connection is the only way to say so.
                logger.error("answer broken off", exc_info=fault)
                raise
            await self._envelopes.send(fault, scope, receive, exchange.send, exchange.method)

    async def _preflight(self, exchange: _Exchange, scope: Scope, receive: Receive) -> bool:
        """Answer a browser's preliminary question; False where that is left to the ordinary way."""
        policy = self._cors.policy(exchange.path)
        if policy is None:
            return False
        status, methods = 204, None
        if policy.credentials:
            status, methods = 200, await self._methods_of(scope, receive)
            if methods is None:
                return False
        headers = self._cors.preflight(exchange.path, exchange.headers, methods)
        await exchange.send({"type": "http.response.start", "status": status, "headers": headers or []})
        await exchange.send({"type": "http.response.body", "body": b"", "more_body": False})
        return True

    async def _methods_of(self, scope: Scope, receive: Receive) -> bytes | None:
        """The methods of a path, as the router's refusal of another one lists them; None for an unknown path."""
        found: list[bytes] = []

        async def listen(message: Message) -> None:
            if message["type"] == "http.response.start":
                found.extend(value for name, value in message["headers"] if name.lower() == b"allow")

        # Its own answer to OPTIONS forgets methods whose handlers are apart.
        asking: Any = {**scope, "method": NO_METHOD, "state": {}}
        await self._inner(asking, receive, listen)
        return found[0] if found else None

    async def _answer(self, exchange: _Exchange, scope: Scope, receive: Receive) -> None:
        endless = any(is_under(exchange.path, prefix) for prefix in ENDLESS)
        deadline = Deadline.after(math.inf if endless else self._allowed_s(exchange.headers))
        state: dict[str, Any] = scope.setdefault("state", {})
        state["deadline"] = deadline
        if exchange.method == "HEAD":
            # What GET would say, without the body.
            scope["method"] = "GET"  # type: ignore[typeddict-unknown-key]
        elif self._means_delete(exchange):
            scope["method"] = "DELETE"  # type: ignore[typeddict-unknown-key]
        if endless:
            await self._inner(scope, receive, exchange.send)
            return
        try:
            async with asyncio.timeout(deadline.remaining_s() + GRACE_S) as clock:
                await self._inner(scope, receive, exchange.send)
        except TimeoutError as late:
            if clock.expired():
                raise errors.DeadlineExceeded from late
            raise

    def _means_delete(self, exchange: _Exchange) -> bool:
        """Whether a POST comes from a client that can send no DELETE, where a product's contract allows that."""
        if exchange.method != "POST" or b"x-http-method-override" not in exchange.headers:
            return False
        wanted = exchange.headers[b"x-http-method-override"].strip().upper()
        return wanted == b"DELETE" and any(is_under(exchange.path, prefix) for prefix in self._overridable)

    def _allowed_s(self, headers: MutableMapping[bytes, bytes]) -> float:
        """The server's limit, or less where the client says so."""
        asked = headers.get(b"x-request-timeout-s")
        if asked is None:
            return self._timeout_s
        try:
            seconds = float(asked)
        except ValueError:
            seconds = math.nan
        if not seconds > 0:
            raise errors.BadRequest("X-Request-Timeout-S must be a number of seconds above 0")
        return min(seconds, self._timeout_s)

    def _record(self, exchange: _Exchange, is_operation: bool) -> None:
        seconds = time.perf_counter() - exchange.started
        part = next((part for part in self._parts if is_under(exchange.path, part)), "other")
        if not is_operation:
            self._metrics.requests.labels(part, str(exchange.status)).inc()
            self._metrics.request_seconds.labels(part).observe(seconds)
        level = logging.DEBUG if is_operation else logging.INFO
        if not access.isEnabledFor(level):
            return
        # The query may carry a key, so only the path is written.
        access.log(
            level,
            "request",
            extra={
                "method": exchange.method,
                "path": exchange.path,
                "status": exchange.status,
                "ms": round(seconds * 1000, 2),
                "bytes_in": int(length)
                if (length := exchange.headers.get(b"content-length", b"")).isdigit()
                else None,
                "bytes_out": exchange.bytes_out,
                "client": exchange.client,
                "trace": exchange.traceparent or None,
                "stages_ms": {name: round(spent * 1000, 2) for name, spent in exchange.stages.items()},
            },
        )


class _Exchange:
    """One request and what is known of its answer; adds our headers when the answer starts."""

    def __init__(self, scope: Scope, send: Send, cors: Cors, health: Health) -> None:
        self.started = time.perf_counter()
        self.path: str = scope["path"]
        self.method: str = str(scope.get("method", ""))
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        self.client = client[0] if client else None
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given.decode() if GIVEN_ID.fullmatch(given) else secrets.token_hex(16)
        trace = self.headers.get(b"traceparent", b"")
        self.traceparent = trace.decode() if TRACEPARENT.fullmatch(trace) else ""
        self.stages: dict[str, float] = {}
        self.status = 0
        self.bytes_out = 0
        self._http_1 = str(scope.get("http_version", "1.1")).startswith("1")
        self._send = send
        self._cors = cors
        self._health = health

    @property
    def is_preflight(self) -> bool:
        """Whether this is a browser's preliminary question."""
        return self.method == "OPTIONS" and b"access-control-request-method" in self.headers

    async def send(self, message: Message) -> None:
        """Pass a message of the answer on, with our headers, and without a body for HEAD."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._with_ours(list(message.get("headers", [])))}
        elif message["type"] == "http.response.body":
            if self.method == "HEAD":
                message = {**message, "body": b""}
            self.bytes_out += len(message.get("body", b""))
        await self._send(message)

    def _with_ours(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        headers.append((b"x-request-id", self.request_id.encode()))
        headers.append((b"x-content-type-options", b"nosniff"))
        if b"server-timing" not in present:
            headers.append((b"server-timing", self._timing()))
        for name, value in self._cors.headers(self.path, self.headers):
            if name not in present or name == b"vary":
                headers.append((name, value))
        if self._health.is_draining and self._http_1:
            # Keep-alive clients go elsewhere instead of meeting a closed door.
            headers.append((b"connection", b"close"))
        return headers

    def _timing(self) -> bytes:
        spent = {**self.stages, "total": time.perf_counter() - self.started}
        return ", ".join(f"{name};dur={seconds * 1000:.2f}" for name, seconds in spent.items()).encode()
