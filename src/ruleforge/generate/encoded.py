"""Payloads that travel as base64: no payload class looks into it, so the rule decodes and asks for a short sign."""

from collections.abc import Iterator, Mapping

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import (
    SHELL_COMMAND,
    Anatomy,
    Part,
    expected_classes,
    inner_command,
    inner_text,
    rank_classes,
)
from ruleforge.generate.facet import Facet, field_of, name_bits, named, shown
from ruleforge.records.advisory import Advisory
from ruleforge.rules.patterns import compile_pattern
from ruleforge.rules.tree import AnyOf, Condition, Name, Tree

SIGN_BITS = 12.0  # a bound: few values of normal traffic are base64 of text, and fewer hold such a sign
# One readable sign of each class, asked about the decoded text alone: plain text is not judged by it.
_SIGNS: Mapping[str, bytes] = {
    "xss": rb"(?i)<[a-z!/]|javascript:|[\"'\s/]on[a-z]{3,20}\s*=",
    "sql_injection": (
        rb"(?i)\b(?:union|select|sleep|benchmark|waitfor|extractvalue|updatexml|pg_sleep)\b|['\"]\s*(?:or|and|\|\|)"
    ),
    "traversal": rb"(?i)\.\.[/\\]|^/(?:etc|proc|var|usr|home|root|opt)/|^[a-z]:[/\\]|^file:",
    "crlf_injection": rb"[\r\n][\w-]+:|\n\r?\n",
    "command_injection": SHELL_COMMAND + rb"|[;|&`\n]|\$[({]",
    "code_injection": (
        rb"(?i)<\?(?:php|=)|<%|java[./]lang|getruntime|processbuilder|"
        rb"\b(?:eval|system|exec|passthru|shell_exec|assert|import|require)\b\s*[('\"]"
    ),
    "template_injection": rb"[$#%{]\{|\{%|<#",
    "jndi": rb"(?i)\$\{",
}  # fmt: skip


def encoded_facets(anatomy: Anatomy, advisory: Advisory, background: Background) -> Iterator[Facet]:
    """The sign of a payload in the decoded text of each parameter that carries one as base64."""
    expected = expected_classes(advisory)
    for part in anatomy.parts:
        for name in rank_classes(part.inner, expected)[:2]:
            sign = _SIGNS.get(name)
            text = inner_text(part.value) or inner_command(part.value)
            if sign is None or part.name_standin or not compile_pattern(sign).test(text):
                continue
            bits = SIGN_BITS + 0.5 * name_bits(field_of(part.place), part.name, background)
            label = f"{part.place} {shown(part.name)} holds {name} in base64"
            yield Facet("payload", _decoded(part, sign), bits, label)


def _decoded(part: Part, sign: bytes) -> Tree:
    """Ask about the base64 of a value; of an argument as it was sent, too, where `+` is a digit and no blank."""
    place = field_of(part.place)
    tree = named(place, part.name, "regex", sign)
    assert isinstance(tree, Condition)
    asked = Condition(tree.field, tree.op, tree.value, tree.name, ("base64_decode",))
    if place != "args":
        return asked
    sent = Condition("args.raw", "regex", sign, Name(part.name), ("percent_decode", "base64_decode"))
    return AnyOf((asked, sent))
