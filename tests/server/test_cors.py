"""Cross-origin rules: by prefix, for any origin, without credentials."""

from server.cors import Cors, Policy

CORS = Cors({"/v1": Policy(("POST", "OPTIONS")), "/api/v0": Policy(("PUT",), max_age_s=5)})
ASKS = {b"origin": b"https://a.example", b"access-control-request-method": b"POST"}


def test_only_paths_under_a_prefix_have_a_policy() -> None:
    assert CORS.headers("/v10/x") == CORS.headers("/admin/v1") == []
    assert (b"access-control-allow-origin", b"*") in CORS.headers("/v1/search")


def test_a_preflight_allows_the_headers_asked_for() -> None:
    answer = dict(
        CORS.preflight("/v1/search", {**ASKS, b"access-control-request-headers": b"X-A, Authorization"}) or []
    )
    assert answer[b"access-control-allow-headers"] == b"X-A, Authorization"
    assert answer[b"access-control-allow-methods"] == b"POST, OPTIONS"
    assert answer[b"access-control-max-age"] == b"86400"
    assert b"access-control-allow-credentials" not in answer


def test_strange_header_lists_are_not_given_back() -> None:
    answer = dict(
        CORS.preflight("/v1", {**ASKS, b"access-control-request-headers": b"a\r\nset-cookie: x"}) or []
    )
    assert answer[b"access-control-allow-headers"] == b"*"


def test_a_plain_options_request_is_no_preflight() -> None:
    assert CORS.preflight("/v1/search", {b"origin": b"x"}) is None
    assert CORS.preflight("/other", ASKS) is None
