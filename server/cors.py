"""Cross-origin rules by path prefix, on every answer, errors included."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from server.envelopes import is_under

Headers = list[tuple[bytes, bytes]]

# What a browser may ask to send; anything else in that header is not a list of names.
HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1024}")
# Scheme, host and port, or "null"; nothing else is given back.
ORIGIN = re.compile(rb"[\x21-\x7e]{1,512}")
EXPOSED = b"X-Request-Id, Server-Timing, Retry-After, Location, ETag, Warning"


class Policy(NamedTuple):
    """Any origin. Without credentials keys travel in the request itself, never in cookies.

    With them the origin is named back, for no browser takes "*" then, and a preflight is answered 200 with
    the methods of its very path; `methods` are those of all paths.
    """

    methods: tuple[str, ...]
    max_age_s: int = 86_400
    credentials: bool = False


class Cors:
    """The policies of all prefixes; a path without one gets no headers."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = sorted(policies.items(), key=lambda entry: len(entry[0]), reverse=True)

    def policy(self, path: str) -> Policy | None:
        """That of the longest prefix, or None."""
        return next((policy for prefix, policy in self._policies if is_under(path, prefix)), None)

    def headers(self, path: str, request_headers: Mapping[bytes, bytes]) -> Headers:
        """What an ordinary answer carries."""
        policy = self.policy(path)
        if policy is None:
            return []
        if not policy.credentials:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED)]
        # Also without an origin: what a cache keeps of this answer must not be given to a page of another one.
        varies = [(b"vary", b"Origin")]
        origin = request_headers.get(b"origin", b"")
        if not ORIGIN.fullmatch(origin):
            return varies
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", EXPOSED),
            *varies,
        ]

    def preflight(
        self, path: str, request_headers: Mapping[bytes, bytes], methods: bytes | None = None
    ) -> Headers | None:
        """The headers that answer a browser's preliminary question; None when this is not one.

        `methods` are those of the path as the router tells them, instead of the policy's.
        """
        policy = self.policy(path)
        if policy is None or b"access-control-request-method" not in request_headers:
            return None
        wanted = request_headers.get(b"access-control-request-headers", b"")
        # "*" does not cover Authorization, so the list asked for is given back.
        allowed = wanted if HEADER_NAMES.fullmatch(wanted) else b"*"
        origin = [] if policy.credentials else [(b"access-control-allow-origin", b"*")]
        return [
            *origin,
            (b"access-control-allow-methods", methods or ", ".join(policy.methods).encode()),
            (b"access-control-allow-headers", allowed),
            (b"access-control-max-age", str(policy.max_age_s).encode()),
            (b"vary", b"Access-Control-Request-Headers"),
        ]
