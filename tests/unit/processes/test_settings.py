"""protector.conf: what is read, what is refused, and that the printed sample can be used."""

from pathlib import Path

import pytest

from siterecovery.protector.processes import settings

LEAST = """
[DEFAULT]
site_name = site-a
state_path = {state}
[service_auth]
auth_url = https://keystone.example.com/v3
password = PASS-1
[site:site-b]
auth_url = https://other.example.com/v3
password = PASS-2
protector_endpoint = https://other.example.com:8788
"""


def load(tmp_path: Path, more: str = "", without: str = "") -> settings.Settings:
    text = LEAST.format(state=tmp_path).replace(without, "") if without else LEAST.format(state=tmp_path)
    file = tmp_path / "protector.conf"
    file.write_text(text + more)
    return settings.load([file])


def test_the_documented_defaults(tmp_path: Path) -> None:
    """Port, clean-up limits and retention are as the product's documents say; keys live in the state directory."""
    found = load(tmp_path)
    assert (found.api.port, found.plan.cleanup_timeout_seconds, found.plan.cleanup_retry_attempts) == (8788, 300, 3)
    assert (found.plan.cleanup_on_test_failover, found.plan.retain_source_volumes) == (True, False)
    assert found.key_file == tmp_path / "secrets.key"
    assert list(found.sites) == ["site-b"]
    assert found.sites["site-b"].protector_endpoint == "https://other.example.com:8788"
    assert found.engine.drain == found.engine.call_timeout + found.engine.server_call_timeout


def test_passwords_are_never_printed(tmp_path: Path) -> None:
    """The settings may appear in a traceback."""
    shown = repr(load(tmp_path))
    assert "PASS" not in shown
    assert "masked" in shown


@pytest.mark.parametrize(
    ("more", "without", "said"),
    [
        ("", "site_name = site-a", r"\[DEFAULT\] site_name is missing"),
        ("", "password = PASS-1", r"\[service_auth\] password is missing"),
        ("", "password = PASS-2", r"\[site:site-b\] password is missing"),
        ("[engine]\ncleanup_timeout_seconds = 59\n", "", "cleanup_timeout_seconds is 59, it must be at least 60"),
        ("[engine]\ncleanup_retry_attempts = 0\n", "", "cleanup_retry_attempts"),
        ("[api]\nport = many\n", "", "port"),
        ("[storage]\ndriver = tape\n", "", "driver"),
        ("[storage]\nallowed_array_urls = array.example.com\n", "", "is not a URL"),
        ("[site:site-a]\nauth_url = x\npassword = y\n", "", "is this site itself"),
    ],
)
def test_a_bad_configuration_is_refused_by_section_and_option(
    tmp_path: Path, more: str, without: str, said: str
) -> None:
    """One sentence that an operator can act on."""
    with pytest.raises(settings.SettingsError, match=said):
        load(tmp_path, more, without)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Instead of running on defaults."""
    with pytest.raises(settings.SettingsError, match=r"nothing\.conf cannot be read"):
        settings.load([tmp_path / "nothing.conf"])


def test_the_floor_is_lowered_for_tests_only(tmp_path: Path) -> None:
    """A hidden option: it is not in the sample."""
    found = load(tmp_path, "[engine]\ncleanup_timeout_floor = 1\ncleanup_timeout_seconds = 2\n")
    assert found.plan.cleanup_timeout_seconds == 2
    assert "cleanup_timeout_floor" not in settings.sample()


def test_the_sample_says_the_defaults(tmp_path: Path) -> None:
    """With every value uncommented it is read, and means the same as no value at all."""
    values = {"site_name": "site-a", "auth_url": "https://k.example.com/v3", "password": "x"}
    kept = []
    for line in settings.sample().splitlines():
        name, separator, value = line.removeprefix("#").partition(" =")
        if separator and not line.startswith("# ") and (name in values or value.strip()):
            kept.append(f"{name} = {values.get(name, value.strip())}")
        elif line.removeprefix("#").startswith("["):
            kept.append(line.removeprefix("#"))
    file = tmp_path / "sample.conf"
    file.write_text("\n".join(kept))
    found, least = settings.load([file]), load(tmp_path)
    assert (found.api, found.engine, found.storage, found.sync) == (least.api, least.engine, least.storage, least.sync)
