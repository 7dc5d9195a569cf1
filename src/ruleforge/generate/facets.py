"""The conditions one exploit request offers a rule, each with how surprising it is in normal traffic.

A rule is a choice among facets. None is built from a stand-in, a scanner's canary or a value that every client sends.
"""

import re
from collections.abc import Iterator

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import (
    ORDINARY_HEADERS,
    Anatomy,
    Part,
    Segment,
    classes_of,
    expected_classes,
    rank_classes,
)
from ruleforge.cases.significance import WEAK_CLASSES, is_selector
from ruleforge.events.decoding import lower
from ruleforge.events.places import HttpView
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Some, Tree

# Roots under which applications are deployed: what stands before them is the user's own prefix.
ROOTS = frozenset(
    b"wp-content wp-admin wp-json wp-includes cgi-bin administrator index.php xmlrpc.php wp-login.php wp-cron.php"
    b" components modules plugins".split()
)
GENERIC = frozenset(
    b"index.php index.html index.jsp index.asp index.aspx index.do index login login.php login.jsp login.html login.do"
    b" signin auth admin administrator upload uploads api v1 v2 v3 rest search user users home main default.aspx"
    b" default.asp data file files download image images static assets css js config test json xml view list get post"
    b" ajax ajax.php admin.php search.php user.php users.php register register.php account profile download.php"
    b" upload.php view.php page.php app web public scripts cgi-bin bin tmp logs setup install cart checkout product"
    b" products category news blog status info health metrics docs graphql wp-content wp-admin wp-json wp-includes"
    b" plugins themes modules components includes content".split()
)
IGNORE_CASE = (b".asp", b".aspx", b".ashx", b".asmx", b".axd", b".cfm", b".cfml", b".dll", b".asa")
CANARIES = re.compile(
    rb"interact\.?sh|oast\.|burpcollab|dnslog|ceye\.|nuclei|projectdiscovery|evil\.|example\.|attacker|hacker|"
    rb"pwned|etc/passwd|win\.ini|document\.domain|alert\(|confirm\(|prompt\(|webkitformboundary|[0-9a-f]{32}|"
    rb"127\.0\.0\.1|localhost|\d{6,}",
    re.IGNORECASE,
)
ORDINARY_VALUES = frozenset(
    b"0 1 2 true false on off yes no null none submit save ok go test admin user password default all en us json html"
    b" text id name asc desc get post page 10 20 50 100 -1 123 1234 12345 123456 a b c x y".split()
)
# -log2 of the share of values of normal traffic that satisfy a class; measured on about 113,000 argument values (none or
# a handful each, so most are bounds) and 303,000 header values (none). docs/reference/payload-classes.md has the table.
CLASS_BITS = {
    "shellshock": 18.0, "jndi": 20.0, "xxe": 17.0, "serialized_object": 16.0, "crlf_injection": 16.0,
    "code_injection": 15.0, "command_injection": 15.0, "traversal": 15.0, "xss": 14.0, "ldap_nosql_injection": 14.0,
    "template_injection": 13.0, "sql_injection": 13.0, "upload_name": 9.0, "url_value": 4.0,
}  # fmt: skip
HEADER_CLASS_BITS = 18.0  # no header value of normal traffic satisfied any class but url_value and upload_name
NAME_CLASS_BITS = 18.0  # nor did a parameter name
PATH_CLASS_BITS = 16.0  # nor a path, but for two traversals
# Classes that reach the same kind of flaw: an attacker who can use one can use the others.
FAMILIES: tuple[tuple[str, ...], ...] = (
    ("code_injection", "command_injection", "template_injection"),
    ("traversal", "url_value"),  # only where the exploit is a traversal: a file name that may be remote
)
STATIC_FOLDERS = frozenset(b"css images image img icons js static assets resources fonts themes skins media".split())
SENSITIVE_PATH = re.compile(
    rb"/(?:etc/|proc/|windows/|winnt/|boot\.ini|win\.ini|WEB-INF/|META-INF/|c:|[a-z]:[/\\])", re.IGNORECASE
)


class Facet(msgspec.Struct, frozen=True):
    """One condition a rule could use."""

    kind: str  # "endpoint" | "payload" | "selector" | "literal" | "present" | "method" | "header" | "anywhere"
    tree: Tree
    bits: float  # how surprising in normal traffic
    label: str  # for feedback and evidence, "args q is sql_injection"
    depth: int = 0  # endpoint: number of segments


def facets_of(anatomy: Anatomy, advisory: Advisory, background: Background) -> tuple[Facet, ...]:
    """Return what `anatomy` offers, best first within each kind."""
    found = [
        *endpoint_facets(anatomy, background),
        *path_payload_facets(anatomy, advisory, background),
        *payload_facets(anatomy, advisory, background),
        *selector_facets(anatomy, background),
        *literal_facets(anatomy, background),
        *present_facets(anatomy, background),
        *header_facets(anatomy, background),
        *method_facets(anatomy),
    ]
    unique: dict[Tree, Facet] = {}
    for facet in found:
        unique.setdefault(facet.tree, facet)
    return tuple(unique.values())


# --- endpoint -------------------------------------------------------------------------------------------------------


def _variable(segment: bytes, standins: tuple[bytes, ...]) -> bool:
    """Whether a path segment is random, numeric or otherwise no name."""
    if any(mark in segment for mark in standins):
        return True
    if CANARIES.search(segment):
        return True
    return bool(re.fullmatch(rb"[0-9]+|[0-9a-fA-F-]{16,}|[A-Za-z0-9+/=_-]{40,}", segment))


def path_of(anatomy: Anatomy) -> bytes:
    """Return the normalised path of the request."""
    elements = HttpView(anatomy.poc.request).read("path").elements
    return elements[0].value if elements else b""


def endpoint_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Path suffixes from the most to the least specific; segments where the end of the path varies."""
    if _path_is_payload(anatomy):
        yield from _prefix_facets(anatomy, background)
        return
    segments = [segment for segment in path_of(anatomy).split(b"/") if segment]
    fixed = [not _variable(segment, anatomy.poc.standins) for segment in segments]
    tail = len(segments)
    while tail and fixed[tail - 1]:
        tail -= 1
    run = _below_root(segments[tail:])
    for depth in range(len(run), 0, -1):
        yield _suffix(run[-depth:], background)
    if run[:1] and run[0].lower() in ROOTS and len(run) > 1:
        text = b"/" + run[0]
        yield Facet("endpoint", Condition("path", "path_segments", text), 4.0, f"path contains {_text(text)}", 0)
    if tail:
        head = 0
        best: list[bytes] = []
        for index in range(tail + 1):
            if index == tail or not fixed[index]:
                best = max(best, segments[head:index], key=len)
                head = index + 1
        inner = _below_root(best)
        if inner:
            text = b"/" + b"/".join(inner)
            yield Facet("endpoint", _fold(Condition("path", "path_segments", text), text), _bits(inner, background),
                        f"path contains {text.decode('latin-1')}", len(inner))  # fmt: skip


def _below_root(segments: list[bytes]) -> list[bytes]:
    for index, segment in enumerate(segments):
        if segment.lower() in ROOTS:
            return segments[index:]
    return segments


def _fold(condition: Condition, text: bytes) -> Condition:
    """Ignore case where the server does."""
    if any(text.lower().endswith(ending) for ending in IGNORE_CASE):
        return msgspec.structs.replace(condition, value=lower(text), transforms=("lower",))
    return condition


def _suffix(segments: list[bytes], background: Background) -> Facet:
    text = b"/" + b"/".join(segments)
    condition = _fold(Condition("path", "path_suffix", text), text)
    return Facet("endpoint", condition, _bits(segments, background), f"path ends with {text.decode('latin-1')}",
                 len(segments))  # fmt: skip


def _bits(segments: list[bytes], background: Background) -> float:
    """Surprise of a run of segments: its rarest member or pair, plus a little for each further one."""
    single = [
        min(background.bits("segment", segment), 4.0 if segment.lower() in GENERIC else 40.0) for segment in segments
    ]
    pairs = [background.bits("tail", a + b"/" + b) for a, b in zip(segments, segments[1:], strict=False)]
    generic_only = all(segment.lower() in GENERIC for segment in segments)
    best = max(single + ([] if generic_only else [min(pair, sum(single)) for pair in pairs]))
    return best + (len(segments) - 1)


def _path_is_payload(anatomy: Anatomy) -> bool:
    return bool(anatomy.path_classes)


def _prefix_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Where the path itself is the payload: what stands before and after it."""
    run: list[bytes] = []
    raw = b"/" + b"/".join(segment.raw for segment in anatomy.segments)
    payload = SENSITIVE_PATH.search(raw)
    most = raw[: payload.start()].count(b"/") if payload else len(anatomy.segments)
    for segment in anatomy.segments[:most]:
        if segment.classes or _odd(segment) or _variable(segment.text, anatomy.poc.standins):
            break
        run.append(segment.text)
    run = _below_root(run)
    if len(run) >= 2 and run[-1].lower() in STATIC_FOLDERS:
        run = run[:-1]  # any folder that is served would do
    for depth in range(len(run), 0, -1):
        part = run[-depth:]
        text = b"/" + b"/".join(part) + b"/"
        yield Facet("endpoint", Condition("path.decoded", "contains", text), _bits(part, background),
                    f"path holds {text.decode('latin-1')}", depth)  # fmt: skip
    if len(run) >= 2:
        # Another file or folder beside the one the source used.
        text = b"/" + b"/".join(run[:-1]) + b"/"
        yield Facet("endpoint", Condition("path.decoded", "contains", text), _bits(run[:-1], background) - 0.5,
                    f"path holds {text.decode('latin-1')}", len(run) - 1)  # fmt: skip
    if run:
        # The payload may follow its segment without a slash: /name;x, /name%0a
        text = b"/" + b"/".join(run)
        yield Facet("endpoint", Condition("path.decoded", "contains", text), _bits(run, background) - 1,
                    f"path holds {text.decode('latin-1')}", len(run))  # fmt: skip
    after: list[bytes] = []
    for segment in reversed(anatomy.segments):
        if segment.classes or _odd(segment) or _variable(segment.text, anatomy.poc.standins):
            break
        after.insert(0, segment.text)
    if after and len(after) < len(anatomy.segments):
        text = b"/" + b"/".join(after)
        if not CANARIES.search(text) and not SENSITIVE_PATH.search(text + b"/"):
            yield Facet("endpoint", Condition("path.decoded", "ends_with", text), _bits(after, background),
                        f"path ends with {text.decode('latin-1')}", len(after))  # fmt: skip


def _odd(segment: Segment) -> bool:
    return segment.text in (b".", b"..", b"") or bool(re.search(rb"[^\w.~@+-]|%", segment.text)) or b"%" in segment.raw


# --- payloads -------------------------------------------------------------------------------------------------------


def path_payload_facets(anatomy: Anatomy, advisory: Advisory, background: Background) -> Iterator[Facet]:
    """The class of the path as sent, and the odd raw pieces that make it so."""
    ranked = rank_classes(anatomy.path_classes, expected_classes(advisory))
    for name in ranked[:2]:
        condition = Condition("path.raw", "is_class", name.encode())
        yield Facet("payload", condition, min(PATH_CLASS_BITS, CLASS_BITS.get(name, 8.0) + 3), f"raw path is {name}")
    if not anatomy.path_classes:
        return
    raw = b"".join(element.value for element in HttpView(anatomy.poc.request).read("path.raw").elements)
    start = re.match(rb"/[/\\.%;0-9a-fA-F]{2,40}", raw)
    if start and re.search(rb"%|\.\.|;|\\|//", start[0]):
        head = lower(start[0][:9])
        yield Facet("literal", Condition("path.raw", "starts_with", head, transforms=("lower",)),
                    2.0 * len(head), f"raw path starts with {head.decode('latin-1')}")  # fmt: skip
    for piece in _odd_pieces(raw, anatomy.poc.standins):
        yield Facet("literal", Condition("path.raw", "contains", lower(piece), transforms=("lower",)),
                    min(20.0, 2.5 * len(piece)), f"raw path contains {piece.decode('latin-1')}")  # fmt: skip


def _odd_pieces(raw: bytes, standins: tuple[bytes, ...]) -> list[bytes]:
    """The encoded or dotted runs of a raw path, without canaries: what a normal path never shows."""
    runs: list[bytes] = re.findall(rb"[/\\.%;:0-9a-fA-F]{3,}", raw[:4096])
    keep = [
        run.rstrip(b"abcdefABCDEF0123456789") if b"%" not in run[-3:] else run
        for run in runs
        if re.search(rb"%|\.\.|;|\\|//", run)
    ]
    keep = [run for run in keep if re.search(rb"\.\.|%2e|%2f|%5c|;|\\|//|%00|%25", run.lower())]
    keep = [run for run in keep if 3 <= len(run) <= 60 and not any(mark in run for mark in standins)]
    return sorted(dict.fromkeys(keep), key=len, reverse=True)[:3]


def payload_facets(anatomy: Anatomy, advisory: Advisory, background: Background) -> Iterator[Facet]:
    """Class of each named value; the same for any value of the place; any of several names at once."""
    expected = expected_classes(advisory)
    named: dict[tuple[str, str], list[Part]] = {}
    for part in anatomy.payloads:
        for name in _pick(part.classes, expected):
            named.setdefault((_field(part.place), name), []).append(part)
        for name in rank_classes(part.filename_classes, expected)[:1]:
            inner = AllOf((Condition("name", "equals", part.name), Condition("filename", "is_class", name.encode())))
            yield Facet("payload", Some("multipart", inner), CLASS_BITS.get(name, 8.0) + 4,
                        f"uploaded file name of {_text(part.name)} is {name}")  # fmt: skip
            yield Facet("anywhere", Some("multipart", Condition("filename", "is_class", name.encode())),
                        CLASS_BITS.get(name, 8.0), f"an uploaded file name is {name}")  # fmt: skip
    yield from _name_payload_facets(anatomy)
    order = {name: place for place, name in enumerate(rank_classes(tuple({n for _, n in named}), expected))}
    ranked = sorted(named.items(), key=lambda item: order.get(item[0][1], 99))
    for (place, name), parts in ranked:
        yield from _class_facets(place, name, parts, background)


def _class_facets(place: str, name: str, parts: list[Part], background: Background) -> Iterator[Facet]:
    """One class in one place: in these parameters, in each of them, in any parameter."""
    names = tuple(dict.fromkeys(part.name for part in parts if not part.name_standin))
    bits = CLASS_BITS.get(name, 8.0)
    if place == "headers" and name not in WEAK_CLASSES:
        bits = max(bits, HEADER_CLASS_BITS)
    family = _family(name)
    said = " or ".join(family)
    if place == "body":
        yield Facet("payload", _asks("body", family), bits - 1, f"body is {said}")
        return
    if 1 < len(names):
        listed = ", ".join(map(_text, names[:12]))
        yield Facet("payload", _any_name(place, names[:12], family), bits + 2, f"one of {place} {listed} is {said}")
    for part_name in names[:6]:
        share = 0.25 if name in WEAK_CLASSES else 0.75  # ordinary values of `url` are URLs
        named_bits = bits + _name_bits(place, part_name, background) * share
        tree: Tree = _any_name(place, (part_name,), family) if len(family) > 1 else (
            _named(place, part_name, "is_class", name.encode())
        )  # fmt: skip
        if place == "multipart":  # a handler that reads form parts reads plain forms as well
            tree = AnyOf((_named("args", part_name, "is_class", name.encode()), tree))
        yield Facet("payload", tree, named_bits, f"{place} {_text(part_name)} is {said}")
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
        if part.place not in ("query_args", "form_args"):
            continue
        for name in classes_of(part.name):
            if name not in ("upload_name", "url_value"):
                tree = Some("args", Condition("name", "is_class", name.encode()))
                yield Facet("payload", tree, NAME_CLASS_BITS, f"name of some argument is {name}")
                break


def _pick(classes: tuple[str, ...], expected: tuple[str, ...]) -> tuple[str, ...]:
    """The classes worth a facet: every expected one, else the most telling one."""
    wanted = tuple(name for name in rank_classes(classes, expected) if name in expected)
    return wanted[:2] or classes[:1]


def _field(place: str) -> str:
    return "args" if place in ("query_args", "form_args") else place


def _any_name(place: str, names: tuple[bytes, ...], classes: tuple[str, ...]) -> Tree:
    if place in ("args", "headers", "cookies", "multipart") and not any(re.search(rb"\[\d+\]", n) for n in names):
        which = Condition("name", "in", names) if len(names) > 1 else Condition("name", "equals", names[0])
        return Some(place, AllOf((which, _any_class("value", classes))))
    return _any_of([_named(place, name, "is_class", each.encode()) for name in names for each in classes])


def _any_class(field: str, classes: tuple[str, ...]) -> Tree:
    return _any_of([Condition(field, "is_class", name.encode()) for name in classes])


def _any_of(trees: list[Tree]) -> Tree:
    return trees[0] if len(trees) == 1 else AnyOf(tuple(trees))


def _named(place: str, name: bytes, op: str, value: bytes | None) -> Tree:
    if place in ("body",):
        return Condition(place, op, value)
    return Condition(place, op, value, name=_name(place, name))


def _name(place: str, name: bytes) -> Name:
    """Exact name; array positions of JSON and numbered arguments are not significant."""
    if place == "json":
        return _json_name(name)
    if place != "headers" and re.search(rb"\[\d+\]", name):
        pattern = re.sub(rb"\\\[\d+\\\]", rb"\\[[0-9]*\\]", re.escape(name))
        return Name(rb"\A" + pattern + rb"\z", "regex")
    return Name(name)


def _json_name(pointer: bytes) -> Name:
    """The last key wherever it stands, when it says something by itself; array positions never matter."""
    keys = [key for key in pointer.split(b"/") if key]
    fixed = [key for key in keys if not key.isdigit()]
    if len(keys) > 1 and fixed and fixed[-1] == keys[-1] and len(keys[-1]) >= 4:
        return Name(b"(?:\\A|/)" + re.escape(keys[-1]) + b"\\z", "regex")
    return Name(re.sub(rb"(?<=/)\d+(?=/|\Z)", b"*", pointer))


def _name_bits(place: str, name: bytes, background: Background) -> float:
    if place == "headers":
        return background.bits("header", name)
    if place == "json":
        name = name.rsplit(b"/", 1)[-1]
    return background.bits("name", name)


def _text(name: bytes) -> str:
    return name.decode("latin-1")[:60]


# --- what is decisive without a payload class --------------------------------------------------------------------------


def _named_parts(anatomy: Anatomy) -> Iterator[Part]:
    for part in anatomy.parts:
        if part.place not in ("headers", "cookies", "body") and not part.name_standin and part.name:
            yield part


def selector_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Parameters that choose the function: `action=…`, `option=com_…`, a JSON `method`."""
    for part in _named_parts(anatomy):
        if part.standin or part.classes or any(mark in part.value for mark in anatomy.poc.standins):
            continue
        identifier = re.fullmatch(rb"[A-Za-z_/][\w./:-]{2,80}", part.value)
        if not identifier or part.value.lower() in ORDINARY_VALUES or CANARIES.search(part.value):
            continue
        known = is_selector(part)
        bits = background.bits("value", part.value) if known else background.bits("value", part.value) - 3
        if not known and len(part.value) < 6:
            continue
        tree = _named(_field(part.place), part.name, "equals", part.value)
        yield Facet("selector" if known else "literal", tree, max(bits, 1.0), f"{part.place} {_text(part.name)} equals "
                    f"{_text(part.value)}")  # fmt: skip


def literal_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Significant pieces of opaque values and bodies, longest first."""
    standins = anatomy.poc.standins
    for part in anatomy.parts:
        if part.place == "cookies" or (part.place == "headers" and part.name in ORDINARY_HEADERS):
            continue
        if part.name_standin and part.place not in ("body",):
            continue
        pieces = significant_pieces(part.value, standins)
        for piece in pieces[: 4 if part.place == "body" else 2]:
            place = _field(part.place)
            tree = _named(place, part.name, "contains", piece)
            bits = min(background.bits("value", piece), 1.6 * len(piece))
            yield Facet("literal", tree, bits, f"{place} {_text(part.name)} contains {_text(piece)}")
        value = part.value
        if part.place != "body" and not part.standin and 1 <= len(value) <= 40 and not part.classes and (
            value.lower() not in ORDINARY_VALUES and not any(mark in value for mark in standins)
            and not CANARIES.search(value)
        ):  # fmt: skip
            tree = _named(_field(part.place), part.name, "equals", value)
            yield Facet("literal", tree, background.bits("value", value), f"{part.place} {_text(part.name)} equals "
                        f"{_text(value)}")  # fmt: skip


def significant_pieces(value: bytes, standins: tuple[bytes, ...]) -> list[bytes]:
    """Return the word-like runs of `value` that are no stand-in, canary or everyday word, longest first."""
    rest = value[:20_000]
    for mark in standins:
        rest = rest.replace(mark, b"\n")
    runs = re.findall(rb"[A-Za-z_][\w.:$@/-]{5,60}", rest)
    keep = [run.strip(b".:/-") for run in runs]
    keep = [run for run in keep if len(run) >= 6 and not CANARIES.search(run) and run.lower() not in ORDINARY_VALUES]
    return sorted(dict.fromkeys(keep), key=lambda run: (-len(run), run))


def present_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Names of parameters, rarest first."""
    found = []
    for part in _named_parts(anatomy):
        place = _field(part.place)
        if len(part.name) > 120 or (place == "json" and part.name.count(b"/") > 8):
            continue
        bits = _name_bits(place, part.name, background)
        found.append(Facet("present", _named(place, part.name, "present", None), bits, f"{place} {_text(part.name)} is present"))
    yield from sorted(found, key=lambda facet: -facet.bits)[:8]


def header_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Headers that no ordinary client sends."""
    for part in anatomy.parts:
        if part.place != "headers" or part.name_standin or part.name in ORDINARY_HEADERS:
            continue
        bits = background.bits("header", part.name)
        yield Facet("header", Condition("headers", "present", None, Name(part.name)), bits, f"header {_text(part.name)} is present")
        if not part.standin and not any(mark in part.value for mark in anatomy.poc.standins) and 0 < len(part.value) <= 80:
            yield Facet("header", Condition("headers", "equals", part.value, Name(part.name)), bits + 3,
                        f"header {_text(part.name)} equals {_text(part.value)}")  # fmt: skip


def method_facets(anatomy: Anatomy) -> Iterator[Facet]:
    """The method, where it changes something."""
    method = anatomy.poc.request.method
    if method not in (b"GET", b"HEAD", b""):
        bits = 1.5 if method == b"POST" else 5.0
        yield Facet("method", Condition("method", "equals", method), bits, f"method is {_text(method)}")
