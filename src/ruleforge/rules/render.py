"""A rule as one sentence in plain English, for reviewers, logs and notices; hostile bytes come out escaped."""

from functools import lru_cache
from typing import NamedTuple

from ruleforge.events.kinds import EVENTS
from ruleforge.rules.classes import CLASSES, latest_version, load_class
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Root, Rule, Sequence, Some, Tree, Value

MAX_SENTENCE = 2_000  # characters
MAX_VALUE = 80  # characters shown of one literal
MAX_LISTED = 6  # literals shown of a list
_PER_CHARACTER = 4  # bytes

# Nouns of the places; those of single values take "the", those with names "some" or the name.
PLACE_WORDS = {
    "method": "method",
    "version": "protocol version",
    "target.raw": "request target as sent",
    "path.raw": "path as sent",
    "path.decoded": "decoded path",
    "path": "path",
    "query.raw": "query as sent",
    "body": "body",
    "body.raw": "body as sent",
    "response.status": "response status",
    "source.address": "client address",
}
NAMED_WORDS = {
    "query_args": "query argument",
    "query_args.raw": "undecoded query argument",
    "form_args": "form argument",
    "form_args.raw": "undecoded form argument",
    "args": "argument",
    "args.raw": "undecoded argument",
    "args.offsite": "argument that leads to another site",
    "json": "JSON value",
    "xml": "XML value",
    "multipart": "multipart part",
    "headers": "header",
    "cookies": "cookie",
}
ELEMENT_WORDS = {
    "name": "its name",
    "value": "its value",
    "filename": "its file name",
    "content_type": "its content type",
}
# What is said of one value; {value} is the value of the condition.
OPERATOR_WORDS = {
    "equals": "is {value}",
    "in": "is {value}",
    "contains": "contains {value}",
    "contains_any": "contains {value}",
    "contains_all": "contains {value}",
    "starts_with": "starts with {value}",
    "ends_with": "ends with {value}",
    "regex": "matches {value}",
    "length_gt": "is longer than {value} bytes",
    "length_lt": "is shorter than {value} bytes",
    "int_gt": "is a number greater than {value}",
    "int_lt": "is a number less than {value}",
    "int_eq": "is the number {value}",
    "cidr": "is an address in {value}",
    "is_class": "looks like {value}",
    "path_suffix": "ends with {value}",
    "path_segments": "has the segments {value}",
}
# What is said of how many values there are; {what} is the place.
COUNT_WORDS = {
    "count_gt": "there are more than {value} values of {what}",
    "present": "there is {what}",
    "absent": "there is no {what}",
}
TRANSFORM_WORDS = {
    "percent_decode": "percent-decoded",
    "percent_decode_stable": "percent-decoded until nothing changes",
    "percent_u_decode": "%u-decoded",
    "plus_to_space": "with + as space",
    "html_entity_decode": "with HTML entities decoded",
    "unicode_escape_decode": "with Unicode escapes decoded",
    "lower": "in lower case",
    "normalize_path": "normalised as a path",
    "base64_decode": "base64-decoded",
    "hex_decode": "hex-decoded",
    "remove_nulls": "without null bytes",
    "compress_whitespace": "with white space compressed",
    "trim": "trimmed",
}
_INJECTION = " injection"  # titles that end so share the word: "command, code or SQL injection"
_NO_ARTICLE = ("injection", "scripting", "splitting", "access", "traversal")  # last words of titles


class _Said(NamedTuple):
    """A clause, and whether it needs brackets inside a longer one."""

    text: str
    joined: bool = False

    def inside(self) -> str:
        return f"({self.text})" if self.joined else self.text


def render_sentence(what: Rule | Root) -> str:
    """Say in one sentence when the rule fires, at most 2,000 characters, safe to show in a terminal or a log."""
    text = _say(what).text if not isinstance(what, Rule) else _say(what.when, EVENTS[what.event].noun).text
    sentence = text[:1].upper() + text[1:]
    return sentence + "." if len(sentence) < MAX_SENTENCE else sentence[: MAX_SENTENCE - 1] + "…"


def render_clause(root: Root) -> str:
    """Say when a tree holds, as a clause without a capital and a full stop, at most 2,000 characters."""
    text = _say(root).text
    return text if len(text) <= MAX_SENTENCE else text[: MAX_SENTENCE - 1] + "…"


def render_condition(condition: Condition) -> str:
    """Say in a clause what one condition asks, without a full stop."""
    value = _value(condition.op, condition.value)
    if condition.op in COUNT_WORDS:
        what = _place(condition.field, condition.name) + _transforms(condition.transforms)
        return COUNT_WORDS[condition.op].format(value=value, what=what)
    subject = _whole_subject(condition)
    # The words come from our own tables, and `format` does not look into what it fills in.
    return f"{subject} {OPERATOR_WORDS.get(condition.op, condition.op + ' {value}').format(value=value)}"


def quote_bytes(value: bytes, limit: int = MAX_VALUE) -> str:
    """Show bytes as text between quotes: what is not printable as an escape, what is too long cut with `…`."""
    cut = value[: limit * _PER_CHARACTER]
    shown = "".join(map(_shown, cut.decode("utf-8", "surrogateescape")))
    if len(shown) > limit or len(cut) < len(value):
        shown = shown[: limit - 1] + "…"
    return f'"{shown}"'


def _shown(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def _say(tree: Root, noun: str = "request") -> _Said:
    match tree:
        case Condition():
            return _Said(render_condition(tree))
        case AllOf(parts):
            return _list(parts, " and ")
        case AnyOf(parts):
            return _list(parts, " or ")
        case Not(part):
            return _Said(f"it is not so that {_say(part).inside()}")
        case Some(place, where):
            return _Said(f"for some {NAMED_WORDS.get(place, place)}, {_say(where).text}", joined=True)
        case Count(when, by, seconds, at_least, distinct):
            what = f"at least {at_least} {_plural(noun)}"
            if distinct is not None:
                what = f"{_plural(noun)} with at least {at_least} different {distinct}"
            return _Said(f"{what} share {_words(by)} within {seconds} seconds, where {_say(when).text}")
        case Sequence(steps, by, seconds):
            then = ", then ".join(_say(step).inside() for step in steps)
            text = f"{_plural(noun)} that share {_words(by)} follow each other within {seconds} seconds: {then}"
            return _Said(text)


def _plural(noun: str) -> str:
    return noun[:-1] + "ies" if noun.endswith("ry") else noun + "s"


def _list(parts: tuple[Tree, ...], word: str) -> _Said:
    said = _merged(parts) if word == " or " else [_say(part) for part in parts]
    return said[0] if len(said) == 1 else _Said(word.join(part.inside() for part in said), joined=True)


def _merged(parts: tuple[Tree, ...]) -> list[_Said]:
    """Say each alternative; those about payload classes together, by value and then by what is asked."""
    asked: dict[str, list[str]] = {}  # subject → names of classes
    for part in parts:
        if isinstance(part, Condition) and part.op == "is_class":
            asked.setdefault(_whole_subject(part), []).append(_class_name(part.value))
    families = {subject: _family(tuple(names)) for subject, names in asked.items()}
    said = []
    for part in parts:
        if isinstance(part, Condition) and part.op == "is_class":
            family = families[_whole_subject(part)]
            subjects = _listed([subject for subject, other in families.items() if other == family], " or ")
            said.append(_Said(f"{subjects} looks like {family}"))
        else:
            said.append(_say(part))
    return list(dict.fromkeys(said))


def _class_name(value: Value) -> str:
    return value.decode("ascii", "backslashreplace") if isinstance(value, bytes) else str(value)


def _family(names: tuple[str, ...]) -> str:
    """Name payload classes in a row: injections share that word, others get their article."""
    titles = [_class_title(name) for name in dict.fromkeys(names)]
    kinds = [kind for title in titles if title.endswith(_INJECTION) for kind in _kinds(title)]
    others = [_with_article(title) for title in titles if not title.endswith(_INJECTION)]
    return _listed(([_listed(kinds, " or ") + _INJECTION] if kinds else []) + others, " or ")


@lru_cache(maxsize=256)
def _class_title(name: str) -> str:
    """Give the title of a class as it stands inside a sentence: "SQL injection", "absolute URL"."""
    if name not in CLASSES:
        return name.replace("_", " ")
    title = load_class(name, latest_version(name)).data.title.removesuffix(" as a value").replace(" and ", " or ")
    first = title.partition(" ")[0]
    return title if first[1:] != first[1:].lower() else title[:1].lower() + title[1:]


def _kinds(title: str) -> list[str]:
    """Split "LDAP, NoSQL or XPath injection" into its three kinds."""
    return title.removesuffix(_INJECTION).replace(" or ", ", ").split(", ")


def _with_article(title: str) -> str:
    first = title.partition(" ")[0]
    if title.endswith(_NO_ARTICLE) or not first:
        return title
    spelled = first.isupper()  # "an XML entity", "a URL": the name of the first letter counts
    return ("an " if first[0].lower() in ("aefhilmnorsx" if spelled else "aeiou") else "a ") + title


def _words(names: tuple[str, ...]) -> str:
    return " and ".join(PLACE_WORDS.get(name, name) for name in names)


def _whole_subject(condition: Condition) -> str:
    transforms = _transforms(condition.transforms)
    return _subject(condition) + (transforms + "," if transforms else "")


def _subject(condition: Condition) -> str:
    if condition.field in ELEMENT_WORDS:
        return ELEMENT_WORDS[condition.field]
    if condition.field in NAMED_WORDS:
        some = "" if condition.name is not None and condition.name.how != "regex" else "some "
        return some + _place(condition.field, condition.name)
    return "the " + _place(condition.field, condition.name)


def _place(field: str, name: Name | None) -> str:
    noun = NAMED_WORDS.get(field) or PLACE_WORDS.get(field) or ELEMENT_WORDS.get(field, field)
    if name is None:
        return noun
    shown = quote_bytes(name.text)
    if name.how == "regex":
        return f"{noun} whose name matches {shown}"
    return f"{noun} {shown}" + (" in any case" if name.how == "lower" else "")


def _transforms(names: tuple[str, ...]) -> str:
    return "".join(f", {TRANSFORM_WORDS.get(name, name)}" for name in names)


def _value(op: str, value: Value) -> str:
    if op == "is_class":
        return _family((_class_name(value),))
    if isinstance(value, tuple):
        shown = [quote_bytes(item) for item in value[:MAX_LISTED]]
        if len(value) > MAX_LISTED:
            shown.append(f"{len(value) - MAX_LISTED} more")
        return _listed(shown, " and " if op == "contains_all" else " or ")
    return quote_bytes(value) if isinstance(value, bytes) else str(value)


def _listed(words: list[str], last: str) -> str:
    """Write a list as prose does: "a, b or c"."""
    return last.join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))
