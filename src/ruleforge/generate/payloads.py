"""What reaches the vulnerability: payload classes of the path, of named values, of any value of a place."""

import re
from collections.abc import Iterator

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import SHELL_COMMAND, Anatomy, Part, classes_of, expected_classes, rank_classes
from ruleforge.cases.significance import WEAK_CLASSES
from ruleforge.cases.telling import bare_command, offsite_field, speaks_of_redirect
from ruleforge.events.decoding import lower
from ruleforge.events.places import HttpView
from ruleforge.generate.facet import Facet, any_name, field_of, name_bits, named, shown
from ruleforge.generate.words import CLASS_BITS, FAMILIES, HEADER_CLASS_BITS, NAME_CLASS_BITS, PATH_CLASS_BITS
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Some, Tree

IS_COMMAND = "is a command"
COMMAND_BITS = 9.0  # a bound: texts that begin with the name of a command and a blank are rare, but no payload
CUT_ESCAPE = re.compile(rb"%(?:u[0-9a-fA-F]{0,3}|[0-9a-fA-F]?)\Z")  # an escape that a cut went through
REPEATED = re.compile(rb"(.{3,12}?)\1+", re.DOTALL)  # on at most 60 bytes


def path_payload_facets(anatomy: Anatomy, advisory: Advisory) -> Iterator[Facet]:
    """The class of the path as sent, and the odd raw pieces that make it so."""
    ranked = rank_classes(anatomy.path_classes, expected_classes(advisory))
    for name in ranked[:2]:
        condition = Condition("path.raw", "is_class", name.encode())
        yield Facet("payload", condition, min(PATH_CLASS_BITS, CLASS_BITS.get(name, 8.0) + 3), f"raw path is {name}")
    raw = b"".join(element.value for element in HttpView(anatomy.poc.request).read("path.raw").elements)
    start = re.match(rb"/(?:%u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}|[/\\.;]){2,40}", raw)
    if start and re.search(rb"%|\.\.|;|\\|//", start[0]):
        head = CUT_ESCAPE.sub(b"", lower(start[0][:9]))
        yield Facet("literal", Condition("path.raw", "starts_with", head, transforms=("lower",)),
                    2.0 * len(head), f"raw path starts with {head.decode('latin-1')}")  # fmt: skip
    for piece in _odd_pieces(raw, anatomy.poc.standins):
        yield Facet("literal", Condition("path.raw", "contains", lower(piece), transforms=("lower",)),
                    min(20.0, 2.5 * len(piece)), f"raw path contains {piece.decode('latin-1')}")  # fmt: skip


def _odd_pieces(raw: bytes, standins: tuple[bytes, ...]) -> list[bytes]:
    """The encoded or dotted runs of a raw path, without canaries: what a normal path never shows."""
    runs: list[bytes] = re.findall(rb"(?:%u[0-9a-fA-F]{4}|[/\\.%;:0-9a-fA-F]){3,}", raw[:4096])
    keep = [
        run.rstrip(b"abcdefABCDEF0123456789") if b"%" not in run[-3:] else run
        for run in runs
        if re.search(rb"%|\.\.|;|\\|//", run)
    ]
    keep = [run for run in keep if re.search(rb"\.\.|%2e|%2f|%5c|;|\\|//|%[01][0-9a-f]|%2[35]|%3[bf]|%u", run.lower())]
    keep = [run for run in keep if 3 <= len(run) <= 60 and not any(mark in run for mark in standins)]
    keep = [
        CUT_ESCAPE.sub(b"", REPEATED.sub(rb"\1", run)) for run in keep
    ]  # how often a step is repeated is the attacker's choice
    return sorted(dict.fromkeys(keep), key=len, reverse=True)[:3]


def payload_facets(anatomy: Anatomy, advisory: Advisory, background: Background) -> Iterator[Facet]:
    """Class of each named value; the same for any value of the place; any of several names at once."""
    expected = expected_classes(advisory)
    named: dict[tuple[str, str], list[Part]] = {}
    for part in anatomy.payloads:
        for name in _pick(part.classes, expected):
            if name == "url_value" and leads_away(part, anatomy, advisory):
                continue  # asked for by where it leads: pages of its own site are URLs as well
            named.setdefault((field_of(part.place), name), []).append(part)
        for name in rank_classes(part.filename_classes, expected)[:1]:
            inner = AllOf((Condition("name", "equals", part.name), Condition("filename", "is_class", name.encode())))
            yield Facet("payload", Some("multipart", inner), CLASS_BITS.get(name, 8.0) + 4,
                        f"uploaded file name of {shown(part.name)} is {name}")  # fmt: skip
            yield Facet("anywhere", Some("multipart", Condition("filename", "is_class", name.encode())),
                        CLASS_BITS.get(name, 8.0), f"an uploaded file name is {name}")  # fmt: skip
    yield from _name_payload_facets(anatomy)
    yield from _command_facets(anatomy, advisory, background)
    order = {
        name: place for place, name in enumerate(rank_classes(tuple(dict.fromkeys(n for _, n in named)), expected))
    }
    ranked = sorted(named.items(), key=lambda item: order.get(item[0][1], 99))
    for (place, name), parts in ranked:
        # A remote file is another way to the same flaw only where the advisory says so, or what is read is run.
        remote = bool({"url_value", "code_injection"}.intersection(expected))
        yield from _class_facets(place, name, parts, background, remote=remote)


def _command_facets(anatomy: Anatomy, advisory: Advisory, background: Background) -> Iterator[Facet]:
    """Where a parameter takes a whole command, any command: the next attacker needs no separator either."""
    for part in anatomy.parts:
        if part.place not in ("headers", "body") and bare_command(part, advisory) and not part.name_standin:
            place = field_of(part.place)
            asks = (
                *(named(place, part.name, "is_class", name.encode()) for name in FAMILIES[0]),
                named(place, part.name, "regex", SHELL_COMMAND),
            )
            bits = COMMAND_BITS + name_bits(place, part.name, background) * 0.5
            yield Facet("payload", AnyOf(asks), bits, f"{place} {shown(part.name)} {IS_COMMAND}")


def leads_away(part: Part, anatomy: Anatomy, advisory: Advisory) -> bool:
    """Whether the flaw is that this argument leads to another site, and a place of the request says so."""
    return speaks_of_redirect(advisory) and bool(offsite_field(part, anatomy.poc.request))


def _class_facets(place: str, name: str, parts: list[Part], background: Background, *, remote: bool) -> Iterator[Facet]:
    """One class in one place: in these parameters, in each of them, in any parameter."""
    names = tuple(dict.fromkeys(part.name for part in parts if not part.name_standin))
    bits = CLASS_BITS.get(name, 8.0)
    if place == "headers" and name not in WEAK_CLASSES:
        bits = max(bits, HEADER_CLASS_BITS)
    family = tuple(other for other in _family(name) if remote or other != "url_value" or other == name)
    said = " or ".join(family)
    if place == "body":
        yield Facet("payload", _asks("body", family), bits - 1, f"body is {said}")
        return
    if len(names) > 1:
        listed = ", ".join(map(shown, names[:12]))
        yield Facet("payload", any_name(place, names[:12], family), bits + 2, f"one of {place} {listed} is {said}")
    for part_name in names[:6]:
        share = 0.25 if name in WEAK_CLASSES else 0.75  # ordinary values of `url` are URLs
        named_bits = bits + name_bits(place, part_name, background) * share
        tree: Tree = any_name(place, (part_name,), family) if len(family) > 1 else (
            named(place, part_name, "is_class", name.encode())
        )  # fmt: skip
        if place == "multipart":  # a handler that reads form parts reads plain forms as well
            tree = AnyOf((named("args", part_name, "is_class", name.encode()), tree))
        yield Facet("payload", tree, named_bits, f"{place} {shown(part_name)} is {said}")
    if name != "url_value":  # an address in just any parameter is normal
        yield Facet("anywhere", _asks(place, family), bits, f"some {place} is {said}")


def _family(name: str) -> tuple[str, ...]:
    """The class with its family, itself first."""
    for family in FAMILIES:
        if name in family and name != "url_value":
            return (name, *(other for other in family if other != name))
    return (name,)


def _asks(place: str, classes: tuple[str, ...]) -> Tree:
    trees = tuple(Condition(place, "is_class", name.encode()) for name in classes if name != "url_value")
    return trees[0] if len(trees) == 1 else AnyOf(trees)


def _name_payload_facets(anatomy: Anatomy) -> Iterator[Facet]:
    """Payloads that stand in the name of a parameter (Struts `method:`, class-loader chains are names too)."""
    for part in anatomy.parts:
        if part.place not in ("query_args", "form_args", "multipart", "json"):
            continue
        place = field_of(part.place)
        for name in classes_of(part.name):
            # The name of a JSON value is a pointer: slashes and keys that look like a path, a query or an operator.
            if name not in WEAK_CLASSES and (place != "json" or name == "xss"):
                # What a server reads out of a name it reads out of a value, too.
                asks: Tree = AnyOf(tuple(Condition(half, "is_class", name.encode()) for half in ("name", "value")))
                bits = min(NAME_CLASS_BITS, CLASS_BITS.get(name, NAME_CLASS_BITS))
                label = f"name or value of some {'argument' if place == 'args' else place + ' value'} is {name}"
                if b"classLoader" in part.name:  # the property through which data binding is abused
                    asks = AllOf((Condition("name", "contains", b"classLoader"), asks))
                    bits, label = bits + 8.0, f"{label} and holds classLoader"
                yield Facet("payload", Some(place, asks), bits, label)
                break


def _pick(classes: tuple[str, ...], expected: tuple[str, ...]) -> tuple[str, ...]:
    """The classes worth a facet: every expected one, else the most telling one that ordinary values do not satisfy."""
    wanted = tuple(name for name in rank_classes(classes, expected) if name in expected)
    return wanted[:2] or tuple(name for name in classes if name not in WEAK_CLASSES)[:1]
