"""Settings: documented defaults, typed reads, errors that name the variable."""

from pathlib import Path

import pytest

from server.settings import OPEN_FOOD_FACTS_HOSTS, Settings, SettingsError


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.data_dir == Path(".aisle").absolute()
    assert settings.database_url is settings.blob_url is settings.index_url is settings.admin_key is None
    assert settings.fetch_allowed_hosts == () and not settings.fetch_allow_private
    assert settings.providers == ("cuda", "cpu") and not settings.require_gpu
    assert (settings.drain_s, settings.request_timeout_s) == (5, 30)
    assert settings.limits.query_bytes == 10 * 2**20 and settings.limits.query_pixels == 40_000_000
    assert settings.limits.reference_bytes == 20 * 2**20 and settings.limits.reference_pixels == 60_000_000
    assert {"images.openfoodfacts.org", "static.openbeautyfacts.net"} <= set(OPEN_FOOD_FACTS_HOSTS)


def test_values_are_read_with_their_types() -> None:
    settings = Settings.from_env(
        {
            "AISLE_PORT": " 9000 ",
            "AISLE_REQUIRE_GPU": "true",
            "AISLE_FETCH_ALLOWED_HOSTS": "a.example, B.example:81 ,",
            "AISLE_PROVIDERS": "cpu",
            "AISLE_DRAIN_S": "0.5",
            "AISLE_DATABASE_URL": "postgresql://user@host/db",
            "AISLE_PUBLIC_URL": "https://aisle.example/",
            "AISLE_MAX_QUERY_BYTES": "1000",
            "AISLE_BLOB_URL": "",
        }
    )
    assert settings.port == 9000 and settings.require_gpu and settings.providers == ("cpu",)
    assert settings.fetch_allowed_hosts == ("a.example", "b.example:81")
    assert settings.drain_s == 0.5 and settings.limits.query_bytes == 1000
    assert settings.public_url == "https://aisle.example" and settings.blob_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AISLE_PORT", "http"),
        ("AISLE_PORT", "70000"),
        ("AISLE_WORKERS", "0"),
        ("AISLE_WORKERS", "1.5"),
        ("AISLE_DRAIN_S", "-1"),
        ("AISLE_DRAIN_S", "nan"),
        ("AISLE_REQUEST_TIMEOUT_S", "soon"),
        ("AISLE_REQUIRE_GPU", "maybe"),
        ("AISLE_PROVIDERS", "cpu,tpu"),
        ("AISLE_DATABASE_URL", "mysql://host/db"),
        ("AISLE_BLOB_URL", "bucket"),
        ("AISLE_PUBLIC_URL", "aisle.example"),
        ("AISLE_MANIFEST", "/no/such/manifest.toml"),
        ("AISLE_ADMIN_KEY", "short"),
        ("AISLE_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.from_env({name: value})


def test_the_text_of_an_error_never_carries_a_password() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"AISLE_DATABASE_URL": "mysql://user:secret@host/db"})
    assert "secret" not in str(caught.value)


def test_settings_cannot_change() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]
