"""Zone texts hold everything the evaluator reads, folded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.engine.zones import FIELD_ZONE, ZONES, zone_complete, zone_text, zone_texts
from ruleforge.events.places import FIELDS, HttpView
from ruleforge.events.request import Request

UNSEARCHED = {"version", "response.status", "source.address", "args.offsite"}


def test_every_field_has_a_zone_or_is_known_to_have_none():
    assert set(FIELD_ZONE) == set(FIELDS) - UNSEARCHED


def test_texts_are_written_with_edges():
    view = HttpView(Request(method=b"GET", target=b"/A%20b?Q=X&z=%2541"))
    assert zone_text(view, "method") == b"\x01get\x00"
    assert zone_text(view, "path") == b"\x01/a b\x00"
    assert zone_text(view, "args") == b"\x00q\x01x\x00\x00z\x01%41\x00\x00z\x01a\x00"
    assert zone_text(view, "body") == b""


def test_the_target_holds_its_parts_also_when_it_names_a_host():
    view = HttpView(Request(method=b"GET", target=b"http://shop.example/a?b"))
    assert zone_text(view, "target") == b"\x01http://shop.example/a?b\x00"


def test_a_zone_is_incomplete_when_the_source_does_not_record_it():
    texts = zone_texts(HttpView(Request(method=b"GET", target=b"/?a=b", unrecorded=frozenset({"body"}))))
    assert [zone for zone in texts if not texts[zone].complete] == [
        "args", "args.raw", "form_args", "form_args.raw", "json", "multipart", "xml", "body", "body.raw",
    ]  # fmt: skip
    assert b"\x00a\x01b\x00" in texts["args"].text


@settings(max_examples=100)
@given(data=st.data())
def test_every_value_is_in_the_text_of_its_zone(drawn, data):
    view = HttpView(data.draw(drawn.requests()))
    for field, zone in FIELD_ZONE.items():
        text, made = zone_text(view, zone), ZONES[zone]
        reading = view.read(field)
        assert reading.complete or not zone_complete(view, zone)
        for element in reading.elements:
            value = element.value.lower()
            assert (b"\x01" + value + b"\x00" if made.edged else value) in text
            if made.named:
                assert b"\x00" + element.name.lower() + b"\x01" + value + b"\x00" in text
