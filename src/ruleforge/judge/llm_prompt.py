"""What a model is told of a rule when it judges: the rule, the disclosure, requests; never who made the rule or why."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import msgspec

from ruleforge.cases.evidence import Case, Evidence
from ruleforge.cases.told import disclosure_text, request_text
from ruleforge.engine.reference import compile_rule
from ruleforge.events.request import Request
from ruleforge.judge.evidence import JudgeEvidence
from ruleforge.llm.prompt import Part, Prompt, fixed, particular, untrusted
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import load_class
from ruleforge.rules.render import quote_bytes, render_condition
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Not, Root, Rule, Some, conditions_of
from ruleforge.rules.tree import Sequence as InSequence

Side = Literal["miss", "off_target"]
REQUESTS_MOST = 12  # of one question
EACH_MOST = {"exploit": 4, "variant": 6, "choice": 5, "neutral": 3, "near": 6}
VALUE_MOST = 300  # characters of a value of the rule
CONDITIONS_MOST = 120
CLASSES_MOST = 8
ACCEPTED_MOST = 1_200  # characters of what one payload class accepts
NONE = "none"  # what an answer cites where nothing fits

TASK = """You review detection rules for web attacks. A rule fires on an HTTP request when its conditions hold. You are
given one rule, the disclosure of the vulnerability that it is for, and some requests with what the rule says of each.
You are asked about one way in which the rule may be wrong. Assume that it is wrong in this way and look for the proof;
give a low probability only when you looked for it and did not find any. That a rule was published, or says that it was
tested, proves nothing."""

LANGUAGE = """How rules read: the fields are `method`; `path` (decoded once and normalised), `path.decoded`, `path.raw`
(as sent); `query_args`, `form_args`, `args` (both), `json`, `xml`, `multipart`, `headers`, `cookies`, each possibly
with a name; `body`. A condition holds when some value of its field does. `path_suffix` holds when the path ends with
the value on a segment boundary, so that a prefix of the installation does no harm; `path_segments` when the segments
occur anywhere in the path. `is_class` holds when a value, decoded in the ways that servers decode, looks like a kind
of payload; the kinds are described below. Comparison is by bytes and minds case unless `lower` is among the
transforms; names of headers never mind case. A condition on a place that a request does not have is false, but for
`absent`, which asks for just that.

How text is written here: what strangers wrote stands in frames, and a control character in it is written as \\u and
four digits: \\u000d is the carriage return that ends each line of a request, one byte and no six characters. In values
of the rule, bytes that cannot be printed are written as \\x and two digits."""

ASKED: dict[Side, str] = {
    "miss": """Question: what is the probability that this rule fails to fire on some requests that exploit this same
vulnerability? Go through the full range of what an attacker can change while the attack still works:
- Is every value that the rule wants needed by the vulnerability, or only by the published exploit?
- Which other places (query, form, JSON, cookie, header, path) does the program read the decisive value from?
- Which other payloads, encodings, separators, cases, orders and methods work as well?
- Which other endpoints or arguments of the product have the same flaw, by the words of the disclosure?
- Would an argument more or less, a prefix of the installation or another client change what the rule says?
The rule has this defect when more than one in ten of the different requests that working attackers would send is
missed. Give the probability that it has the defect, and nothing else: 0.5 means that you cannot say whether it has it,
not that half of the attackers are missed. Of a hundred rules to which you give 0.1, ten should have it.""",
    "off_target": """Question: what is the probability that this rule looks at something that merely goes along with the
published exploit instead of at what makes it an attack? Tell the mechanism of the vulnerability from the surface of
one exploit:
- Which condition reads the value that carries the attack? If none does, what keeps ordinary use of the same endpoint
  from firing it?
- Would the rule still fire if the payload were replaced by an ordinary value?
- Is the value of a condition chosen by the exploit's author (a marker, a host, a file name, a header of a tool)?
- Which harmless requests (users who are signed in, other products, crawlers, scanners of links) share all of it?
The rule has this defect when it fires on some request that is harmless and may well be sent, or on attacks of other
products, or when it would fire all the same with the attack taken out. Give the probability that it has the defect, and
nothing else: 0.5 means that you cannot say whether it has it. Of a hundred rules to which you give 0.1, ten should have
it. Where the attack is the ordinary call without a session or right, such a call is the attack, and the same call with
a session is ordinary use; else an exploit that also carries a session is an exploit still.""",
}

ANSWER = """Answer with one JSON document that satisfies the schema. Give one to five reasons, the strongest first, each
with the id of the condition it is about and the id of a request that shows it (the request to change, or the one that
fires); cite only ids that are given, and "none" where no condition or no request fits: something is lacking in the
rule, or the request is one that you describe. In `claim` say in one or two sentences what goes wrong and for which
request. In `speaks_for` say what you found against the defect, at most three sentences; it may be left empty. Where you
looked for the defect and found none, one reason says what you tried. Then give the probability, a number from 0 to 1,
or null where what you are given does not let you tell."""


class Checklist(msgspec.Struct, frozen=True):
    """What is known of a kind of vulnerability: what the attack is, how it varies, what only goes along with it."""

    name: str
    cwes: tuple[str, ...]
    classes: tuple[str, ...]
    mechanism: str
    variation: str
    surface: str


class Exhibit(msgspec.Struct, frozen=True):
    """A request with its id and what the rule says of it."""

    id: str  # "r1"
    request: Request
    fires: bool | None
    what: str  # where it comes from, ours


class Brief(msgspec.Struct, frozen=True):
    """A question about one rule as it is put, with what its ids stand for."""

    side: Side
    prompt: Prompt
    conditions: Mapping[str, Condition]
    exhibits: Mapping[str, Exhibit]

    @property
    def ids(self) -> dict[str, tuple[str, ...]]:
        """The ids that an answer may cite; NONE where none fits."""
        return {"condition": (*self.conditions, NONE), "request": (*self.exhibits, NONE)}


@lru_cache(maxsize=1)
def checklists() -> tuple[Checklist, ...]:
    """All kinds of vulnerability that there is a checklist for."""
    data = files("ruleforge.judge").joinpath("checklists.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[Checklist, ...])


def brief(side: Side, rule: Rule, advisory: Advisory, evidence: Evidence) -> Brief:
    """Put one question about a rule.

    Args:
        side: "miss" or "off_target".
        rule: what it asks for is told, and neither its author, its title nor its description.
        advisory: what was disclosed; untrusted.
        evidence: requests of the JUDGE family.
    """
    conditions = {f"c{number}": c for number, c in enumerate(conditions_of(rule.when), 1)}
    conditions = dict(list(conditions.items())[:CONDITIONS_MOST])
    exhibits = {each.id: each for each in exhibits_of(side, rule, evidence)}
    said = "\n".join(f"{each.id}: {each.what}; {_FIRES[each.fires]}" for each in exhibits.values())
    parts: list[Part] = [fixed(TASK), fixed(LANGUAGE), fixed(ASKED[side]), fixed(ANSWER)]
    parts += [particular(text) for text in (_expert_words(rule, advisory), _class_words(rule)) if text]
    parts += [untrusted("disclosure", disclosure_text(advisory)), untrusted("rule", rule_text(rule.when))]
    parts.append(particular(f"The requests, and what the rule says of each:\n{said}"))
    parts += [untrusted(f"request {each.id}", request_text(each.request)) for each in exhibits.values()]
    return Brief(side, Prompt(tuple(parts)), conditions, exhibits)


_FIRES = {True: "the rule fires", False: "the rule does not fire", None: "the rule cannot tell"}


def exhibits_of(side: Side, rule: Rule, evidence: Evidence) -> list[Exhibit]:
    """Choose the requests of a question: those that speak against the rule first, and of each kind one before two."""
    ask = compile_rule(rule).ask
    against = side == "off_target"  # there a request that fires speaks against the rule
    groups: list[tuple[str, Sequence[Case], bool]] = [("exploit", evidence.exploits, False)]
    if side == "miss":
        groups.append(("variant", evidence.variants, against))
        if isinstance(evidence, JudgeEvidence):
            groups.append(("choice", evidence.choices, against))
    else:
        groups += [("neutral", evidence.siblings, against), ("near", evidence.near_misses, against)]
    chosen: list[Exhibit] = []
    for kind, cases, worse in groups:
        asked = [(one, ask(one.view)) for one in cases]
        for one, fires in _first(asked, worse)[: EACH_MOST[kind]]:
            if len(chosen) < REQUESTS_MOST:
                chosen.append(Exhibit(f"r{len(chosen) + 1}", one.view.request, fires, _WHAT[kind] + _note(one)))
    return chosen


_WHAT = {
    "exploit": "an exploit from the disclosure",
    "variant": "the same attack written another way",
    "choice": "an attack by the same flaw in which one thing is chosen otherwise",
    "neutral": "an exploit with ordinary values instead of its payload",
    "near": "a harmless request that looks like the exploit",
}


# Kinds of look-alike that are ordinary use only because the flaw is that the call needs no session.
_SESSIONS = {
    "signed_in": ": the call as somebody who is signed in makes it",
    "visitor": ": the call as the pages of the product make it for visitors",
}


def _note(one: Case) -> str:
    if one.kind in _SESSIONS:
        return _SESSIONS[one.kind]
    return f" ({one.note})" if one.note else ""


def _first(asked: Iterable[tuple[Case, bool | None]], worse: bool) -> list[tuple[Case, bool | None]]:
    seen: dict[str, int] = {}
    ranked: list[tuple[bool, int, int, Case, bool | None]] = []
    for one, fires in asked:
        seen[one.kind] = turn = seen.get(one.kind, -1) + 1
        ranked.append((fires is not worse, turn, len(ranked), one, fires))
    return [(one, fires) for *_, one, fires in sorted(ranked, key=lambda row: row[:3])]


def rule_text(tree: Root) -> str:
    """Give the conditions with their ids, and how they go together."""
    lines: list[str] = []
    shape = _shape(tree, lines)
    more = len(lines) - CONDITIONS_MOST
    shown = lines[:CONDITIONS_MOST] + ([f"[{more} more conditions]"] if more > 0 else [])
    return "\n".join(shown) + f"\nIt fires when: {shape}"


def _shape(tree: Root, lines: list[str]) -> str:
    match tree:
        case Condition():
            lines.append(f"c{len(lines) + 1}: {_condition(tree)}")
            return f"c{len(lines)}"
        case AllOf(parts):
            return "(" + " and ".join([_shape(part, lines) for part in parts]) + ")"
        case AnyOf(parts):
            return "(" + " or ".join([_shape(part, lines) for part in parts]) + ")"
        case Not(part):
            return f"not {_shape(part, lines)}"
        case Some(place, where):
            return f"(for one and the same element of {place}: {_shape(where, lines)})"
        case Count(when):
            return f"(often enough: {_shape(when, lines)})"
        case InSequence(steps):
            return "(one after the other: " + ", ".join([_shape(step, lines) for step in steps]) + ")"


def _condition(condition: Condition) -> str:
    name = ""
    if condition.name is not None:
        how = {"exact": "", "lower": " in any case", "regex": " by pattern"}[condition.name.how]
        name = f" named {quote_bytes(condition.name.text, VALUE_MOST)}{how}"
    transforms = f" after {', '.join(condition.transforms)}" if condition.transforms else ""
    return f"{condition.field}{name}{transforms} {condition.op}{_value(condition)}"


def _value(condition: Condition) -> str:
    value = condition.value
    if value is None:
        return ""
    if isinstance(value, tuple):
        more = f" and {len(value) - 12} more" if len(value) > 12 else ""
        return " " + ", ".join(quote_bytes(each, VALUE_MOST) for each in value[:12]) + more
    return f" {quote_bytes(value, VALUE_MOST) if isinstance(value, bytes) else value}"


def condition_said(condition: Condition) -> str:
    """Say a condition in words, for people."""
    return render_condition(condition)


def _expert_words(rule: Rule, advisory: Advisory) -> str:
    """The checklists of what the disclosure and the rule are about, at most two."""
    used, cwes = {name for name, _ in rule.classes}, set(advisory.cwes)
    scored = [(len(cwes & set(c.cwes)) * 2 + bool(used & set(c.classes)), c) for c in checklists()]
    chosen = [c for score, c in sorted(scored, key=lambda row: -row[0]) if score][:2]
    told = [
        f"About flaws of this kind ({c.name}): the attack itself is {c.mechanism}. It varies by: {c.variation}. "
        f"What only goes along with it: {c.surface}."
        for c in chosen
    ]
    return "\n".join(told)


def _class_words(rule: Rule) -> str:
    told = []
    for name, version in rule.classes[:CLASSES_MOST]:
        data = load_class(name, version).data
        accepted = "; ".join(dict.fromkeys(pattern.why or pattern.id.replace("_", " ") for pattern in data.patterns))
        if len(accepted) > ACCEPTED_MOST:
            accepted = accepted[:ACCEPTED_MOST].rpartition("; ")[0] + "; and more"
        forms = ", ".join(form.replace("_", " ") for form in data.forms if form != "identity")
        through = f" It looks through: {forms}." if forms else ""
        told.append(f"is_class {name}: {data.title}. {data.description} It accepts: {accepted}.{through}")
    return "Kinds of payload that the rule asks about:\n" + "\n".join(told) if told else ""
