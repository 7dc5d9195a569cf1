"""What a model is told when it writes a rule: the task, the language, the disclosure, and how its last rule fared."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from ruleforge.cases.anatomy import Part as Piece
from ruleforge.cases.anatomy import dissect
from ruleforge.cases.telling import telling
from ruleforge.cases.told import disclosure_text, request_text
from ruleforge.cases.weaknesses import expected_classes
from ruleforge.events.kinds import HTTP, fields_of
from ruleforge.events.request import Request
from ruleforge.llm.prompt import Part, Prompt, fixed, particular, untrusted
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules import document as doc
from ruleforge.rules.classes import CLASSES, latest_version, load_class
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.render import quote_bytes
from ruleforge.rules.transforms import TRANSFORMS
from ruleforge.rules.values import VALUE_TYPES

EXPLOITS_MOST, STEPS_MOST = 8, 4  # requests of the disclosure that are shown
WRONG_MOST = 8  # requests that the last rule answered wrongly
PIECES_MOST, STANDINS_MOST = 20, 20  # facts told of one request
SHOWN_MOST = 80  # characters of a name or value that is told

TASK = """You write detection rules for web attacks. A rule is a condition on one HTTP request. You are given what was
disclosed of one vulnerability and the requests that show it. Write one rule that fires on requests which exploit this
vulnerability, also on those of an attacker who never saw the published exploit and writes the attack differently, and
that stays silent on all else: ordinary users of the same product who use the same page, other products, crawlers,
people who write about attacks.

How to think:
- What does the vulnerability need, and what was only chosen by the author of the exploit? Ask for the first: where the
  flaw is (the end of the path, and the parameter that selects the function where one page has many), and what reaches
  it (which kind of payload, in which parameter).
- Never ask for what the next attacker replaces: host names, markers, random or computed strings, names of files that
  are written or read as proof, passwords, agents, numbers that are only big, the order or number of other parameters,
  headers that every client sends. Strings that are named below as stand-ins are made up anew each time.
- A prefix may stand before every path, and arguments may be added. A parameter that is sent in the query may often be
  sent in the body as well: `args` reads both.
- One rule has to hold for every request that is marked as an exploit. Where they differ too much, use `any`. Every
  alternative must be shown by one of the requests: what was never tried is refused.
- Where the flaw is that a call needs no log-in, users who are signed in make the very same call. Then ask as well that
  there is no session: headers `cookie` and `authorization` both `absent`. It is the last resort, for a made-up cookie
  gets past it; a condition on what attacks is better.
- Where an ordinary request of the product cannot be told from the attack, answer that there is no safe rule. That is a
  good answer; a rule that fires on the product's own users is a bad one."""

TRIED = """Your rule is then tried, and it has to pass all of this:
- it fires on every exploit request, and on at least nine in ten of their variants: other spellings, encodings, cases,
  orders and parameters that a server would take as well; random parts are made anew;
- it is silent on the other steps of the disclosure, on the same payload sent elsewhere, and on ordinary calls of the
  same page: the same path, method and parameters, with ordinary values in all of them. That a parameter is there, or
  that a page is called, is therefore not enough; ask for what the attacking value is;
- it is silent on the exploits of other products and on recorded ordinary traffic;
- it is surprising: by the rates at which its conditions occur in ordinary traffic, together they happen by chance less
  than once in 250,000 requests (18 bits). An own path of two segments gives about 15 bits, a strong payload class 14 to
  18, the name of an own parameter 10 to 15, a page or parameter that many products have 0 to 5;
- it has at most 60 conditions. The shortest rule that passes is the best one."""

LANGUAGE = """The rule is a JSON tree of nodes, each of one of these forms:
  {"all": [NODE, …]}      all hold
  {"any": [NODE, …]}      at least one holds
  {"not": NODE}
  {"field": F, "op": OP, "value": V}                  some value of the field satisfies the operator
  {"field": F, "name": N, "op": OP, "value": V}       the same, of the values with this name; only for named fields
  {"some": P, "where": NODE}      one and the same element of P; inside it the fields are "name" and "value"
  A condition may have "transforms": [T, …], applied to each value before the question; not with is_class.
N is the exact name, or {"lower": "name"} where the server minds no case, or {"regex": "pattern"}. Names of headers
never mind case. A JSON value is named by its pointer, "/user/role", with * for any one step.
P is one of: %(places)s.
Values are bytes, written as text; {"base64": "…"} for bytes that are no text. Comparison minds case; put "lower" into
the transforms, and write the value in lower case, where case does not matter. Patterns are RE2, found anywhere in the
value; . does not match a line feed, \\z is the end, there are no look-arounds and no back-references, flags are written
(?i). A condition about a place that a request does not have is false, but for `absent`.
A payload class decodes the value in the ways that servers do before it looks: percent, %%u, HTML entities and more."""

EXAMPLES = """Two rules as examples:
A file is read through the argument `crate` of /orchard/fruit_press.php:
{"all": [{"field": "path", "op": "path_suffix", "value": "/orchard/fruit_press.php"},
         {"field": "args", "name": "crate", "op": "is_class", "value": "traversal"}]}
Whoever signs up can make himself a steward, in a form or in JSON:
{"all": [{"field": "path", "op": "path_suffix", "value": "/orchard/members/join"},
         {"any": [{"field": "args", "name": "rank", "transforms": ["lower"], "op": "equals", "value": "steward"},
                  {"field": "json", "name": "/rank", "transforms": ["lower"], "op": "equals", "value": "steward"}]}]}"""

FRAMES = r"""How text is written here: what strangers wrote stands in frames. A control character in it is written as
\u and four digits: \u000d is the carriage return that ends each line of a request, one byte and no six characters."""

ANSWER = """Answer with one JSON document that satisfies the schema. First say in `mechanism` what makes a request the
attack and which parts of the exploit are only its author's choice. Then give the tree in `when`; where there is no safe
rule, null, and the reason in `why_none`. Title, identifiers and state of the rule are not yours to set."""


class Hint(msgspec.Struct, frozen=True):
    """What kind of rule a candidate is asked for; `name` mirrors a strategy of the embedded generator."""

    name: str
    text: str


HINTS: tuple[Hint, ...] = (
    Hint("endpoint_payload", "Write the rule of where the flaw is and what reaches it: the end of the path, and the "
         "kind of payload in the parameter that carries it."),
    Hint("endpoint_any_parameter", "Write the rule of the endpoint and the kind of payload in any parameter, for other "
         "attackers use its other parameters; fall back to the named parameter where the kind of payload is ordinary."),
    Hint("magic_parameter", "Write the rule of the call itself: the endpoint, and the parameters or values that no "
         "ordinary page sends, whatever their payload."),
    Hint("payload_anywhere", "Consider whether the vulnerability has an endpoint at all. If the payload works in any "
         "place (a header, a logged value), ask for the payload in all places where it works; else add the endpoint."),
    Hint("endpoint_structure", "Write the rule of the unusual shape of the request: method, path, headers and names of "
         "parameters that only this call has, and the decisive text where no payload class names it."),
)  # fmt: skip


class Wrongly(msgspec.Struct, frozen=True):
    """A request that a rule answered wrongly; of the FEEDBACK family."""

    request: Request
    missed: bool  # True: it should have fired
    what: str  # "the variant double_encoding", "a harmless request that looks like the exploit"


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """How the rule of the round before fared; holds nothing of the judge's, and no traffic of the user."""

    rule: str  # its tree as JSON
    failed: tuple[str, ...]  # one sentence for each gate
    wrong: tuple[Wrongly, ...] = ()


def prompt_of(advisory: Advisory, hint: Hint, feedback: Feedback | None = None) -> Prompt:
    """Write the prompt of one candidate; see `llm_generate.question_of`."""
    parts: list[Part] = [fixed(text) for text in (TASK, TRIED, language(), EXAMPLES, FRAMES, ANSWER)]
    parts += [untrusted("disclosure", disclosure_text(advisory))]
    parts += _requests(advisory)
    parts += _feedback(feedback) if feedback else []
    parts.append(particular(f"{_kinds(advisory)}\n{hint.text}".strip()))
    return Prompt(tuple(parts))


@lru_cache(maxsize=1)
def language() -> str:
    """The language as its registries have it: fields, operators, transforms and payload classes."""
    fields = [f"  {name} ({field.kind}): {field.meaning}" for name, field in fields_of(HTTP).items()]
    operators = [f"  {name}, {_taken(op.takes)}: {op.meaning}" for name, op in OPERATORS.items()]
    transforms = [f"  {name}: {transform.meaning}" for name, transform in TRANSFORMS.items()]
    said = LANGUAGE % {"places": ", ".join(doc.SOME_PLACES)}
    return "\n".join(
        [said, "\nFields:", *fields, "\nOperators, and what their value is:", *operators, "\nTransforms:", *transforms,
         "\nPayload classes:", *_classes()]
    )  # fmt: skip


def _taken(takes: str) -> str:
    return VALUE_TYPES[takes].meaning


def _classes() -> Iterator[str]:
    for name in CLASSES:
        data = load_class(name, latest_version(name)).data
        yield f"  {name}: {data.description}"


def _kinds(advisory: Advisory) -> str:
    names = expected_classes(advisory)
    return f"By its weakness and tags, payload classes to consider: {', '.join(names)}." if names else ""


Kind = Literal["exploit", "step"]


def shown_requests(advisory: Advisory) -> list[tuple[str, PocRequest]]:
    """Choose the requests of the disclosure that are shown: exploits are named r1, r2, …; its other steps s1, s2, ….

    Each document gets its turn.
    """
    exploits = [poc for poc in advisory.requests if poc.role == "exploit"]
    steps = [poc for poc in advisory.requests if poc.role != "exploit"]
    chosen = [(f"r{number}", poc) for number, poc in enumerate(_spread(exploits, EXPLOITS_MOST), 1)]
    return chosen + [(f"s{number}", poc) for number, poc in enumerate(steps[:STEPS_MOST], 1)]


def _spread(pocs: Sequence[PocRequest], most: int) -> list[PocRequest]:
    """Take some, each document before a second one of any."""
    seen: dict[int, int] = {}
    turns = []
    for at, poc in enumerate(pocs):
        turn = seen[poc.source] = seen.get(poc.source, -1) + 1
        turns.append((turn, at, poc))
    return [poc for *_, poc in sorted(turns, key=lambda row: row[:2])[:most]]


def _requests(advisory: Advisory) -> list[Part]:
    chosen = shown_requests(advisory)
    exploits = sum(poc.role == "exploit" for poc in advisory.requests)
    shown = sum(poc.role == "exploit" for _, poc in chosen)
    said = f"The requests of the disclosure. r1 to r{shown} are exploits: the rule fires on each."
    if exploits > shown:
        said += (
            f" {exploits - shown} more exploits of the same disclosure are not shown; the rule has to hold for them."
        )
    if any(name.startswith("s") for name, _ in chosen):
        said += " Those named s… are its other steps, which carry no attack: the rule is silent on them."
    parts = [particular(said)]
    for name, poc in chosen:
        parts.append(untrusted(f"request {name}", request_text(poc.request)))
        if facts := _facts(poc, advisory):
            parts.append(untrusted(f"facts of {name}", facts))
    return parts


def _facts(poc: PocRequest, advisory: Advisory) -> str:
    """What our own reader sees in a request: payload classes, what no ordinary call has, and what is a stand-in."""
    anatomy = dissect(poc)
    lines = []
    if anatomy.path_classes:
        lines.append(f"the path as sent is {', '.join(anatomy.path_classes)}")
    for part in anatomy.parts[:PIECES_MOST]:
        names = [*part.classes, *(f"{each} (in base64)" for each in part.inner), *part.filename_classes]
        if names:
            lines.append(f"{_place(part)} satisfies {', '.join(names)}")
    if poc.role == "exploit":
        lines += [f"no ordinary call has this: {tell.phrase}" for tell in telling(anatomy, advisory)[:PIECES_MOST]]
    if poc.standins:
        named = ", ".join(_short(mark) for mark in sorted(poc.standins)[:STANDINS_MOST])
        lines.append(f"stand-ins, made up anew each time: {named}")
    return "\n".join(lines)


def _place(part: Piece) -> str:
    return f"{part.place} {_short(part.name)}" if part.name else part.place


def _short(data: bytes) -> str:
    return quote_bytes(data, SHOWN_MOST)


def _feedback(feedback: Feedback) -> list[Part]:
    said = "An earlier rule of yours was tried and did not pass. Change what is wrong with it and keep what is right."
    parts = [particular(said), untrusted("earlier rule", feedback.rule)]
    parts.append(untrusted("what was found", "\n".join(feedback.failed)))
    for number, wrong in enumerate(feedback.wrong[:WRONG_MOST], 1):
        should = "should have fired on it" if wrong.missed else "should have stayed silent on it"
        parts.append(untrusted(f"wrong {number}", f"[{wrong.what}; the rule {should}]\n{request_text(wrong.request)}"))
    return parts
