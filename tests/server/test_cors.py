"""Cross-origin rules: by prefix, for any origin, with credentials or without."""

from server.cors import Cors, Policy

CORS = Cors(
    {
        "/v1": Policy(("POST", "OPTIONS")),
        "/api/v0": Policy(("PUT",), max_age_s=5),
        "/api/v1": Policy(("GET", "POST"), credentials=True),
    }
)
ASKS = {b"origin": b"https://a.example", b"access-control-request-method": b"POST"}


def test_only_paths_under_a_prefix_have_a_policy() -> None:
    assert CORS.headers("/v10/x", ASKS) == CORS.headers("/admin/v1", ASKS) == []
    assert (b"access-control-allow-origin", b"*") in CORS.headers("/v1/search", ASKS)


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


def test_with_credentials_the_origin_is_named_back_never_a_star() -> None:
    headers = CORS.headers("/api/v1/insights", {b"origin": b"https://a.example"})
    assert (b"access-control-allow-origin", b"https://a.example") in headers
    assert (b"access-control-allow-credentials", b"true") in headers
    assert (b"vary", b"Origin") in headers


def test_without_a_sane_origin_nothing_is_allowed_but_caches_are_warned() -> None:
    for origin in ({}, {b"origin": b""}, {b"origin": b"https://a\r\nx: y"}, {b"origin": b"x" * 600}):
        assert CORS.headers("/api/v1/insights", origin) == [(b"vary", b"Origin")]


def test_with_credentials_a_preflight_has_the_methods_of_its_path() -> None:
    answer = dict(CORS.preflight("/api/v1/x", ASKS, b"GET, OPTIONS") or [])
    assert answer[b"access-control-allow-methods"] == b"GET, OPTIONS"
    assert b"access-control-allow-origin" not in answer
