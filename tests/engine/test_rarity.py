"""Rarity orders literals as ordinary traffic does; being wrong would cost time only."""

import pytest

from ruleforge.background.table import build_background
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.rarity import background_rarity, default_rarity, telling_length
from ruleforge.events.request import Request
from ruleforge.rules.tree import AllOf, Condition, Name, Rule

TRAFFIC = [
    Request(method=b"GET", target=b"/shop/list?zebra=%d" % number, headers=((b"Host", b"h%d" % (number % 3)),))
    for number in range(64)
]
RARITY = background_rarity(build_background(TRAFFIC, made="2025-01-01", source="test"))


@pytest.mark.parametrize(
    ("zone", "common", "rare"),
    [
        ("args", b"\x00zebra\x01", b"\x00q7\x01"),
        ("path", b"/shop/", b"/xo/"),
        ("path", b"/shop/list\x00", b"/list/shop\x00"),
        ("headers", b"\x00host\x01", b"\x00x-k\x01"),
    ],
)
def test_what_ordinary_traffic_holds_is_common_however_long_it_is(zone, common, rare):
    assert RARITY(zone, common) > 4 * RARITY(zone, rare)


def test_without_knowledge_longer_literals_and_odd_bytes_are_rarer():
    assert default_rarity("args", b"abc") > default_rarity("args", b"abcd") > 0
    assert default_rarity("args", b"a") > default_rarity("args", b"<")
    assert default_rarity("path", b"/index.php") > default_rarity("path", b"/zq7xw.php")


def test_the_compiled_set_searches_for_the_rare_name_of_two():
    both = AllOf((Condition("args", "present", name=Name(b"zebra")), Condition("args", "present", name=Name(b"q7"))))
    compiled = CompiledSet([Rule(id="RF-1", when=both)], rarity=RARITY)
    assert compiled.answers(TRAFFIC[0]) == ((), (), 0)
    assert compiled.cost(0) < 100


@pytest.mark.parametrize(
    ("says_less", "says_more"),
    [
        (b"\x00user-agent\x01", b"${"),
        (b"\x00content-type\x01", b"<?"),
        (b"/wp-content/", b"/xo"),
        (b"q", b"\x00q\x01"),
    ],
)
def test_a_long_word_that_everybody_sends_says_less_than_two_odd_bytes(says_less, says_more):
    assert telling_length(says_less) < telling_length(says_more)
