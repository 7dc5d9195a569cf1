"""People write the vulnerable server in many ways, and other places as well."""

import pytest

from ruleforge.sources.prose.hosts import host_of, is_about, is_target_like

TARGETS = (
    "localhost",
    "localhost:8080",
    "127.0.0.1",
    "10.1.2.3:81",
    "[::1]:80",
    "target.com",
    "www.victim.com",
    "example.com",
    "victim",
    "[host]",
    "<target-ip>:8443",
    "your-ip",
    "www.yoursite.com",
    "site.com",
    "vulnerable.example",
    "TARGET_IP",
    "xxx.xxx.xxx.xxx",
    "demo.press.invalid",
    "user:pass@server.local",
    "x.x.x.x",
    "{{host}}",
)
OTHERS = ("www.vendor.invalid", "downloads.press.org", "vulnpress.org", "hosting-press.net", "press.io", "notest.org")
ABOUT = (
    "github.com",
    "raw.githubusercontent.com",
    "www.exploit-db.com",
    "nvd.nist.gov",
    "www.google.co.uk",
    "owasp.org",
)


@pytest.mark.parametrize("authority", TARGETS)
def test_the_server_under_attack_is_known(authority: str) -> None:
    assert is_target_like(authority)
    assert not is_about(authority)


@pytest.mark.parametrize("authority", [*OTHERS, *ABOUT])
def test_other_places_are_not_taken_for_it(authority: str) -> None:
    assert not is_target_like(authority)


@pytest.mark.parametrize("authority", ABOUT)
def test_places_that_publish_are_known(authority: str) -> None:
    assert is_about(authority)


def test_a_host_is_cut_out_of_its_authority() -> None:
    assert host_of("me:secret@Press.Example:8443") == "press.example"
    assert host_of("[2001:db8::1]:80") == "[2001:db8::1]"
