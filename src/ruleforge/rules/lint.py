"""What a careful reviewer would say of a rule before any traffic is looked at: proofs, and well-founded doubts."""

import re
from collections.abc import Iterable, Iterator, Mapping

from ruleforge.events.kinds import HTTP, EventField, fields_of
from ruleforge.rules.proofs import CODES as PROOF_CODES
from ruleforge.rules.proofs import Finding, asks_nothing, prove, roots
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Not, Root, Rule, Some, Tree

SHORT_LITERAL = 3  # bytes; anything shorter stands in most bodies and header lines

CODES: Mapping[str, str] = {
    **PROOF_CODES,
    "RF630": "a generic endpoint is all that decides",
    "RF631": "nothing in the rule is decisive",
    "RF632": "class traversal on a place where traversal cannot be seen",
    "RF633": "a second percent-decoding",
    "RF634": "an integer comparison on a text",
    "RF635": "an address test on a place without addresses",
    "RF636": "a short literal without a name",
    "RF637": "no literal to search for: slow",
    "RF638": "a literal that belongs to another place",
    "RF639": "a header value with a line break",
    "RF640": "a method in lower case",
    "RF641": "a condition that every value satisfies",
    "RF642": "a count that can never be reached, or that counts nothing",
}

# Last segments that thousands of products have: by themselves they name no product.
GENERIC_SEGMENTS = frozenset(
    b"admin ajax api app assets auth backup bin cgi-bin cmd config console css dashboard data default.aspx download "
    b"edit error export file fileupload files get graphql health home images img import index index.action index.asp "
    b"index.aspx index.cgi index.do index.html index.htm index.jsp index.php info js json login login.action login.asp "
    b"login.aspx login.cgi login.do login.html login.jsp login.php logout main main.php manage manager ping php portal "
    b"post proxy public query register reports reset rest save search search.php server service services session "
    b"settings setup shell sign-in signin signup soap static status submit swagger system test test.php token update "
    b"upload upload.php uploads user users v1 v2 v3 view web webhook wp-admin wp-content wp-login.php "
    b"xmlrpc.php".split()
)
_ADDRESS_FIELDS = frozenset({"source.address"})
_ADDRESS_HEADER = re.compile(rb"(?i)forwarded|client-?ip|real-?ip|remote|host|via|origin|address|-ip\Z")
_INT_OPS = frozenset({"int_gt", "int_lt", "int_eq"})
_TEXT_FIELDS = frozenset(
    {"method", "version", "target.raw", "path.raw", "path.decoded", "path", "query.raw", "body", "body.raw"}
)
_DECODED = frozenset({"args", "query_args", "form_args", "path", "path.decoded"})
_WIDE = frozenset({"body", "body.raw", "headers", "target.raw", "query.raw", "args", "cookies", "json"})
_LITERAL_OPS = frozenset({"equals", "in", "contains", "contains_any", "contains_all", "starts_with", "ends_with"})
_PATH_OPS = frozenset({"path_suffix", "path_segments"})
_PATHS = frozenset({"path", "path.decoded", "path.raw"})
# Fields and questions that many requests of every site answer alike.
_WEAK_FIELDS = frozenset({"method", "version", "response.status", "source.address"})
_WEAK_OPS = frozenset({"present", "absent", "count_gt", "length_gt", "length_lt"})
_ESCAPE = re.compile(rb"%[0-9a-fA-F]{2}")
_OPAQUE = frozenset({"base64_decode", "hex_decode", "html_entity_decode", "percent_u_decode", "unicode_escape_decode"})
_KINDS = re.compile(rb"\[[^\]]*\]|\\.")  # in a pattern: classes and escapes, which are no literals
_RUN = re.compile(rb"[A-Za-z0-9_/<= -]{3,}")


def lint(rule: Rule) -> tuple[Finding, ...]:
    """Return everything there is to say against a rule, proofs first; nothing here looks at traffic."""
    findings = list(prove(rule))
    findings += _of_count(rule.when)
    for path, tree in roots(rule.when):
        for at, condition, place in conditions(tree, path):
            findings += _of_condition(at, condition, place) if rule.event == HTTP else _of_event(at, condition, rule)
        # What ordinary events look like is known of requests only; and what is counted or ordered may be ordinary.
        if rule.event == HTTP and tree is rule.when:
            findings += _of_tree(path, tree)
    return tuple(findings)


def _of_count(root: Root) -> Iterator[Finding]:
    if not isinstance(root, Count):
        return
    if root.distinct in root.by and root.at_least > 1:
        what = f"events that share {root.distinct} have one value of it"
        yield Finding("RF642", "when.count.distinct", what, "count another field, or take it out of by")
    elif root.at_least == 1:
        hint = "ask for 2 or more, or write the tree without count"
        yield _warn("RF642", "when.count.at_least", "every event that satisfies the tree is a count of one", hint)


def _of_event(path: str, condition: Condition, rule: Rule) -> Iterator[Finding]:
    """What can be said of a condition on an event that is no request: only what its field is."""
    field: EventField | None = fields_of(rule.event).get(condition.field)
    if asks_nothing(condition):
        yield _warn("RF641", path, "every value satisfies this", "use present, or say what to look for")
    if field is not None and condition.op in _INT_OPS and field.type == "address":
        yield _warn("RF634", path, f"{field.name} is an address, no integer", "use cidr")
    if field is not None and condition.op == "cidr" and field.type != "address":
        yield _warn("RF635", path, f"{field.name} rarely holds an address", "use source.address")


def conditions(tree: Tree, path: str, place: str | None = None) -> Iterator[tuple[str, Condition, str | None]]:
    """Yield every condition with its path and the place of the `some` around it."""
    match tree:
        case AllOf(parts) | AnyOf(parts):
            word = "all" if isinstance(tree, AllOf) else "any"
            for index, part in enumerate(parts):
                yield from conditions(part, f"{path}.{word}[{index}]", place)
        case Not(part):
            yield from conditions(part, f"{path}.not", place)
        case Some(inner, where):
            yield from conditions(where, f"{path}.where", inner)
        case Condition():
            yield path, tree, place


def literals(condition: Condition) -> tuple[bytes, ...]:
    """Return the texts a condition compares with; empty for patterns, numbers and classes."""
    if condition.op not in _LITERAL_OPS | _PATH_OPS:
        return ()
    value = condition.value
    return value if isinstance(value, tuple) else (value,) if isinstance(value, bytes) else ()


def _of_condition(path: str, condition: Condition, place: str | None) -> Iterator[Finding]:
    field = place if place is not None and condition.field == "value" else condition.field
    yield from _encodings(path, condition, field)
    yield from _types(path, condition, field)
    yield from _texts(path, condition, field, named=place is not None or condition.name is not None)


def _encodings(path: str, condition: Condition, field: str) -> Iterator[Finding]:
    if condition.op == "is_class" and condition.value == b"traversal" and field == "path":
        hint = "use path.raw, path.decoded or target.raw"
        yield Finding("RF632", path, "the normalised path never shows traversal", hint)
    again = [name for name in condition.transforms if name.startswith("percent_decode")]
    if again and field in _DECODED:
        hint = f"{field} is decoded already; keep it only for a server that decodes twice"
        yield _warn("RF633", path, f"{again[0]} decodes a second time", hint)
    if field == "path" and any(b"?" in text for text in literals(condition)):
        yield _warn("RF638", path, "the path does not include the query", "ask about query_args, or use target.raw")
    elif field in _DECODED and not condition.transforms and any(map(_ESCAPE.search, literals(condition))):
        yield _warn("RF638", path, f"{field} is percent-decoded, the literal is not", "write the decoded text")


def _types(path: str, condition: Condition, field: str) -> Iterator[Finding]:
    if condition.op in _INT_OPS and field in _TEXT_FIELDS:
        yield _warn("RF634", path, f"{field} is rarely one decimal integer", "ask about an argument, or use regex")
    if condition.op != "cidr":
        return
    header = field == "headers" and condition.name is not None and _ADDRESS_HEADER.search(condition.name.text)
    if field in fields_of(HTTP) and field not in _ADDRESS_FIELDS and not header:
        yield _warn("RF635", path, f"{field} rarely holds an address", "use source.address")


def _texts(path: str, condition: Condition, field: str, *, named: bool) -> Iterator[Finding]:
    found = literals(condition)
    if asks_nothing(condition):
        yield _warn("RF641", path, "every value satisfies this", "use present, or say what to look for")
    elif found and not named and field in _WIDE and _is_part(condition):
        short = min(found, key=len)
        if len(short) < SHORT_LITERAL:
            yield _warn("RF636", path, f"{len(short)} bytes anywhere in {field} occur by chance", "name the element")
    if field == "headers" and any(b"\r" in text or b"\n" in text for text in found):
        yield _warn("RF639", path, "a header value has no line breaks", "ask about two headers")
    if field == "method" and any(text != text.upper() for text in found) and "lower" not in condition.transforms:
        yield _warn("RF640", path, "methods are compared as sent, in upper case as a rule", "write it in upper case")


def _is_part(condition: Condition) -> bool:
    return condition.op in ("contains", "contains_any")


def _of_tree(path: str, tree: Tree) -> Iterator[Finding]:
    if not _decides(tree):
        generic = next((at for at, condition, _ in conditions(tree, path) if _is_generic(condition)), None)
        if generic is not None:
            hint = "add an argument, a payload, or more of the path"
            yield _warn("RF630", generic, "many products have this path, and the rest decides nothing", hint)
        else:
            yield _warn("RF631", path, "ordinary requests can satisfy all of this", "add a path, a name or a payload")
    if not _has_literal(tree):
        hint = "add a condition with a literal, such as path_suffix"
        yield _warn("RF637", path, "nothing to search for: evaluated for every request", hint)


def _is_generic(condition: Condition) -> bool:
    """Say whether the condition asks for a path of one segment that thousands of products have."""
    if condition.field not in _PATHS:
        return False
    found = literals(condition)
    return bool(found) and any(is_generic_path(text) for text in found)


def is_generic_path(text: bytes) -> bool:
    """Say whether a path is at most one segment, and one that thousands of products have."""
    segments = [segment for segment in text.lower().split(b"/") if segment]
    return len(segments) <= 1 and all(segment in GENERIC_SEGMENTS for segment in segments)


def _decides(tree: Tree) -> bool:
    """Say whether every way to satisfy the tree passes a condition that ordinary requests do not."""
    match tree:
        case AllOf(parts):
            return any(map(_decides, parts))
        case AnyOf(parts):
            return all(map(_decides, parts))
        case Not():
            return False
        case Some(_, where):
            return _decides(where)
        case Condition():
            weak = tree.field in _WEAK_FIELDS or (tree.op in _WEAK_OPS and tree.name is None)
            return not (weak or tree.op == "absent" or asks_nothing(tree) or _is_generic(tree))


def _has_literal(tree: Tree) -> bool:
    """Say whether the tree needs some literal of 3 bytes or more; an estimate, the compiled set knows exactly."""
    match tree:
        case AllOf(parts):
            return any(map(_has_literal, parts))
        case AnyOf(parts):
            return all(map(_has_literal, parts))
        case Not():
            return False
        case Some(_, where):
            return _has_literal(where)
        case Condition():
            return _needs_literal(tree)


def _needs_literal(condition: Condition) -> bool:
    if condition.op == "absent":
        return False
    if condition.name is not None and condition.name.how != "regex":
        return True
    if not _OPAQUE.isdisjoint(condition.transforms):
        return False
    if condition.op == "regex" and isinstance(condition.value, bytes):
        return _RUN.search(_KINDS.sub(b".", condition.value)) is not None
    return condition.op == "is_class" or _all_long(literals(condition), any_of=condition.op != "contains_all")


def _all_long(texts: Iterable[bytes], *, any_of: bool) -> bool:
    long = [len(text) >= SHORT_LITERAL for text in texts]
    return bool(long) and (all(long) if any_of else any(long))


def _warn(code: str, path: str, message: str, hint: str) -> Finding:
    return Finding(code, path, message, hint, "warning")
