"""The payload classes as data: shape, sound triggers, and what each class must and must not take for an attack.

The forms are computed here from their definition, apart from `ruleforge.rules.classes`: two readings of one page.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import pytest
import re2

from ruleforge.rules.classes import load_class
from ruleforge.rules.patterns import compile_pattern

FOLDER = Path(__file__).resolve().parents[2] / "src" / "ruleforge" / "rules" / "class_data"
FILES = sorted(FOLDER.glob("*.json"))
FORMS = (
    "identity",
    "percent",
    "plus",
    "percent_u",
    "entities",
    "unicode_escape",
    "base64",
    "base64_part",
    "base64_text",
)
EXPECTED = {
    "code_injection",
    "command_injection",
    "crlf_injection",
    "graphql_introspection",
    "internal_address",
    "jndi",
    "jwt_none",
    "ldap_injection",
    "mass_assignment",
    "nosql_injection",
    "path_bypass",
    "prototype_pollution",
    "serialized_object",
    "shellshock",
    "sql_injection",
    "template_injection",
    "traversal",
    "upload_name",
    "url_trick",
    "url_value",
    "xpath_injection",
    "xss",
    "xxe",
}
MAX_VALUE_BYTES = 4096
# What a browser, an API client or a person sends all day; no class may take these for an attack.
EVERYDAY = (
    b"",
    b"7",
    b"O'Brien",
    b"rock & roll",
    b"a=1&b=2",
    b"de-CH,de;q=0.9",
    b"gzip, deflate",
    b"3f2b8c1d-09aa-4d7e-8b1e-5a6c7d8e9f00",
    b"2026-01-31T09:30:00Z",
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)",
    b'{"page":2,"sort":"name"}',
    b"caf\xc3\xa9",
)


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    regex: str
    why: str


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    version: int
    title: str
    description: str
    cwes: list[str]
    forms: list[str]
    triggers: list[str]
    patterns: list[Pattern]
    positive: list[str | dict[str, str]]
    negative: list[str | dict[str, str]]
    evasion: list[str | dict[str, str]]


def value_of(written: str | dict[str, str]) -> bytes:
    if isinstance(written, str):
        return written.encode()
    assert set(written) == {"base64"}
    return base64.b64decode(written["base64"], validate=True)


@cache
def load(file: Path) -> Document:
    return msgspec.json.decode(file.read_bytes(), type=Document)


def latin1() -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return options


@cache
def compiled(file: Path) -> tuple[tuple[str, Any], ...]:
    return tuple((p.id, re2.compile(p.regex.encode("latin-1"), latin1())) for p in load(file).patterns)


def decoded_base64(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None


def whole_base64(text: bytes) -> bytes | None:
    """Strict; text of a form where the sender left the plus signs bare has blanks in their place."""
    blanks = re.fullmatch(rb"[A-Za-z0-9/]{12}[A-Za-z0-9/ ]*={0,2}", text)
    return decoded_base64(text.replace(b" ", b"+") if blanks else text)


def percent_u(text: bytes) -> bytes:
    return re.sub(rb"%[uU]([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)).encode("utf-8", "replace"), text)


def entities(text: bytes) -> bytes:
    return html.unescape(text.decode("latin-1")).encode("utf-8", "replace") if b"&" in text else text


def unicode_escape(text: bytes) -> bytes:
    escape = re.compile(rb"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
    return escape.sub(lambda m: chr(int(m[1], 16)).encode("utf-8", "replace") if m[1] else bytes([int(m[2], 16)]), text)


DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "percent_u": percent_u,
    "entities": entities,
    "unicode_escape": unicode_escape,
}


def forms_of(value: bytes, names: list[str]) -> set[bytes]:
    """All canonical forms of `value`, in ASCII lower case."""
    rounds = [value]
    for _ in range(3 if "percent" in names else 0):
        rounds.append(unquote_to_bytes(rounds[-1]))
    forms = set(rounds)
    if "plus" in names:
        forms |= {form.replace(b"+", b" ") for form in forms}
    for name, decode in DECODERS.items():
        if name in names:
            forms |= {decode(form) for form in forms}
    if "base64" in names:
        forms |= {text for form in rounds if (text := whole_base64(form)) is not None}
    if "base64_part" in names:
        runs = [run for form in rounds for run in re.findall(rb"[A-Za-z0-9+/]{16,}={0,2}", form)]
        forms |= {text for run in runs if (text := decoded_base64(run)) is not None}
    return {form.lower() for form in forms}


def hits(file: Path, value: bytes) -> list[tuple[str, bytes]]:
    """Every (pattern, form) that holds, without looking at the triggers."""
    return [
        (name, form)
        for form in forms_of(value, load(file).forms)
        for name, pattern in compiled(file)
        if pattern.search(form)
    ]


def examples(*kinds: str) -> list[Any]:
    return [
        pytest.param(file, value_of(written), id=f"{load(file).name}-{kind}-{place}")
        for file in FILES
        for kind in kinds
        for place, written in enumerate(getattr(load(file), kind))
    ]


ATTACKS = examples("positive", "evasion")
HARMLESS = examples("negative")
EACH_FILE = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def test_every_class_and_its_examples_were_found() -> None:
    assert {load(file).name for file in FILES if load(file).version == 1} == EXPECTED
    assert len(ATTACKS) >= 40 * len(EXPECTED)
    assert len(HARMLESS) >= 40 * len(EXPECTED)


@EACH_FILE
def test_a_file_is_named_after_its_class_and_version(file: Path) -> None:
    assert file.name == f"{load(file).name}.{load(file).version}.json"


@EACH_FILE
def test_a_class_says_what_it_is_and_names_its_weaknesses(file: Path) -> None:
    document = load(file)
    assert document.title
    assert document.description.endswith(".")
    assert document.cwes
    assert all(re.fullmatch(r"CWE-[1-9][0-9]{0,3}", cwe) for cwe in document.cwes)


@EACH_FILE
def test_forms_are_known_and_identity_is_first(file: Path) -> None:
    forms = load(file).forms
    assert forms[0] == "identity"
    assert forms == [name for name in FORMS if name in forms]


@EACH_FILE
def test_a_class_has_enough_examples_and_no_example_twice(file: Path) -> None:
    document = load(file)
    for kind, least in (("positive", 25), ("negative", 40), ("evasion", 15)):
        values = [value_of(written) for written in getattr(document, kind)]
        assert len(values) >= least, kind
        assert len(set(values)) == len(values), kind
        assert max(map(len, values)) <= MAX_VALUE_BYTES


@EACH_FILE
def test_a_class_uses_base64_only_for_what_is_not_text(file: Path) -> None:
    for kind in ("positive", "negative", "evasion"):
        for written in getattr(load(file), kind):
            if isinstance(written, dict):
                with pytest.raises(UnicodeDecodeError):
                    value_of(written).decode()


@EACH_FILE
def test_every_pattern_compiles_in_re2_and_has_a_name_and_a_reason(file: Path) -> None:
    patterns = load(file).patterns
    assert len({p.id for p in patterns}) == len(patterns) == len(compiled(file))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{2,40}", p.id) and p.why for p in patterns)


@EACH_FILE
def test_patterns_keep_to_the_dialect_and_bounds_of_rules(file: Path) -> None:
    for pattern in load(file).patterns:
        assert not compile_pattern(pattern.regex.encode("ascii")).matches_empty, pattern.id


@EACH_FILE
def test_patterns_are_lower_case_because_forms_are(file: Path) -> None:
    for pattern in load(file).patterns:
        without_escapes = re.sub(r"\\[A-Za-z]", "", pattern.regex)
        assert without_escapes == without_escapes.lower(), pattern.id


@EACH_FILE
def test_no_pattern_holds_for_the_empty_value(file: Path) -> None:
    assert not hits(file, b"")


@EACH_FILE
def test_triggers_are_lower_case_distinct_and_not_empty(file: Path) -> None:
    triggers = load(file).triggers
    assert triggers
    assert len(set(triggers)) == len(triggers)
    assert all(trigger and trigger.encode() == trigger.encode().lower() for trigger in triggers)


@EACH_FILE
def test_every_pattern_is_shown_by_an_example(file: Path) -> None:
    document = load(file)
    shown = {name for w in (*document.positive, *document.evasion) for name, _ in hits(file, value_of(w))}
    assert shown == {p.id for p in document.patterns}


@pytest.mark.parametrize(("file", "value"), ATTACKS)
def test_an_attack_belongs_to_its_class_in_every_encoding(file: Path, value: bytes) -> None:
    assert hits(file, value)


@pytest.mark.parametrize(("file", "value"), ATTACKS)
def test_a_form_that_satisfies_a_pattern_contains_a_trigger(file: Path, value: bytes) -> None:
    triggers = [trigger.encode() for trigger in load(file).triggers]
    for name, form in hits(file, value):
        assert any(trigger in form for trigger in triggers), (name, form)


@pytest.mark.parametrize(("file", "value"), HARMLESS)
def test_a_harmless_value_does_not_belong_to_the_class(file: Path, value: bytes) -> None:
    assert hits(file, value) == []


@EACH_FILE
def test_the_engine_reads_every_example_as_the_definition_does(file: Path) -> None:
    document = load(file)
    ask = load_class(document.name, document.version).matches
    missed = [w for w in (*document.positive, *document.evasion) if not ask(value_of(w))]
    wrong = [w for w in document.negative if ask(value_of(w))]
    assert (missed, wrong) == ([], [])


@EACH_FILE
@pytest.mark.parametrize("value", EVERYDAY, ids=range(len(EVERYDAY)))
def test_everyday_values_belong_to_no_class(file: Path, value: bytes) -> None:
    assert hits(file, value) == []


def test_files_are_canonical_text_that_reviewers_can_diff() -> None:
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n", file.name
