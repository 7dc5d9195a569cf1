"""A model as author of tests: requests that attack, and harmless ones, for one disclosure; it never sees a rule.

What a model proposes is a claim. A request counts only where reading it says the same: a malicious one must have what
tells the disclosed attack from ordinary calls, at the same place; a harmless one must have nothing of the kind.
"""

import io
import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from ruleforge.cases.anatomy import Anatomy, dissect
from ruleforge.cases.evidence import Case, case, identity
from ruleforge.cases.near import endpoint_free
from ruleforge.cases.significance import path_payload
from ruleforge.cases.telling import telling
from ruleforge.cases.told import disclosure_text, request_text
from ruleforge.errors import InputError
from ruleforge.events.formats.jsonl import read_jsonl
from ruleforge.events.request import Request
from ruleforge.generate.llm_prompt import FRAMES, shown_requests
from ruleforge.llm.door import Question
from ruleforge.llm.prompt import Part, Prompt, fixed, particular, untrusted
from ruleforge.llm.provider import Tuning
from ruleforge.records.advisory import Advisory, PocRequest

MALICIOUS, BENIGN = "model_malicious", "model_benign"  # kinds of the cases
CASES_MOST = 16  # of one answer
OUTPUT_MOST = 4_000  # tokens
TARGET_MOST, VALUE_MOST, BODY_MOST, HEADERS_MOST = 4_096, 2_048, 16_384, 12
WARM_PERCENT = 80
_METHOD = re.compile(r"[A-Z]{3,12}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,80}")

TASK = """You write tests for rules that detect web attacks. You are given what was disclosed of one vulnerability and
the requests that show it; you do not see any rule. Propose HTTP requests of two kinds:
- malicious: they exploit this same vulnerability on a server that has it. Vary what an attacker can vary: another
  payload with the same effect or another one of its kind, other encodings and cases, other values and more arguments
  around it, a prefix before the path, the body instead of the query where the program reads both.
- benign: people and programs send them to the same product, or to others, without attacking: the same page with
  ordinary values of all shapes that its arguments have in real life, texts that look odd but are harmless (names with
  apostrophes, code in a forum post, links), other pages of the product.
A rule will be measured by them, so that each must truly be what you call it. Do not repeat the given requests, do not
write the same thing twice, and do not put markers or names into them that give away what they are. Hosts end in
.example."""

ANSWER = """Answer with one JSON document that satisfies the schema: six to twelve requests, about half of each kind.
`target` is the path with its query as it is sent, percent-encoded where a client would do so; `body` is null where
there is none. `why` says in a few words what the request tries."""


class ProposedHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One header."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    value: Annotated[str, msgspec.Meta(max_length=VALUE_MOST)]


class Proposed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request that a model proposes."""

    kind: Literal["malicious", "benign"]
    method: Annotated[str, msgspec.Meta(min_length=3, max_length=12)]
    target: Annotated[str, msgspec.Meta(min_length=1, max_length=TARGET_MOST)]
    headers: Annotated[tuple[ProposedHeader, ...], msgspec.Meta(max_length=HEADERS_MOST)]
    body: Annotated[str, msgspec.Meta(max_length=BODY_MOST)] | None
    why: Annotated[str, msgspec.Meta(min_length=3, max_length=300)]


class TestsAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model answers."""

    __test__ = False  # not a class of pytest

    cases: Annotated[tuple[Proposed, ...], msgspec.Meta(min_length=1, max_length=CASES_MOST)]


class Accepted(msgspec.Struct, frozen=True):
    """What became of an answer: the requests that count, and why the others do not."""

    cases: tuple[Case, ...]
    refused: tuple[str, ...] = ()  # one sentence for each


def question_of_tests(advisory: Advisory) -> Question[TestsAnswer]:
    """Ask for tests of a disclosure.

    Args:
        advisory: what was disclosed; its requests have roles. Untrusted.
    """
    parts: list[Part] = [fixed(TASK), fixed(FRAMES), fixed(ANSWER), untrusted("disclosure", disclosure_text(advisory))]
    parts.append(particular("Requests of the disclosure: those named r… exploit it, those named s… do not."))
    parts += [untrusted(f"request {name}", request_text(poc.request)) for name, poc in shown_requests(advisory)]
    return Question(
        role="test",
        subject=(advisory.cves[0] if advisory.cves else advisory.id)[:80],
        prompt=Prompt(tuple(parts)),
        output=TestsAnswer,
        check=_malformed,
        tuning=Tuning(temperature_percent=WARM_PERCENT, output_most=OUTPUT_MOST),
    )


def _malformed(answer: TestsAnswer) -> tuple[str, ...]:
    """What is no request, in words for its author, who can mend it."""
    return tuple(
        f"cases[{at}]: {told}" for at, each in enumerate(answer.cases) if (told := _no_request(each)) is not None
    )


def _no_request(proposed: Proposed) -> str | None:
    if not _METHOD.fullmatch(proposed.method):
        return "the method is three to twelve capital letters"
    if not proposed.target.startswith("/"):
        return "the target begins with /"
    if not all("!" <= letter <= "~" for letter in proposed.target):
        return "the target holds what is not sent in one: encode blanks, line breaks and letters beyond ASCII"
    for header in proposed.headers:
        if not _HEADER.fullmatch(header.name) or any(letter < " " for letter in header.value if letter != "\t"):
            return "a header has a name of letters and a value in one line"
    return None


def accept(answer: TestsAnswer, advisory: Advisory, exploits: Sequence[Anatomy], model: str) -> Accepted:
    """Check each proposed request by what it is, whatever the model says of it.

    Args:
        answer: of a model; untrusted.
        advisory: what was disclosed.
        exploits: its exploit requests, taken apart.
        model: who answered; the source of the requests.
    """
    known = {identity(poc.request) for poc in advisory.requests}
    tells = {_tells(anatomy, advisory) for anatomy in exploits}
    found: list[Case] = []
    refused: list[str] = []
    for number, proposed in enumerate(answer.cases, 1):
        name = f"model {proposed.kind} {number}"
        request = _request(proposed, name, model)
        told = _refusal(proposed, request, advisory, exploits, tells, known)
        if told or isinstance(request, str):
            refused.append(f"{name}: {told}")
            continue
        known.add(identity(request))
        found.append(case(request, MALICIOUS if proposed.kind == "malicious" else BENIGN, note=proposed.why[:200]))
    return Accepted(tuple(found), tuple(refused))


def _refusal(
    proposed: Proposed,
    request: Request | str,
    advisory: Advisory,
    exploits: Sequence[Anatomy],
    tells: set[frozenset[str]],
    known: set[tuple[bytes, bytes, bytes]],
) -> str:
    if isinstance(request, str):
        return request
    if identity(request) in known:
        return "a request of the disclosure, or one that was proposed before"
    if not all(tells) or not tells:
        return "nothing tells the disclosed attack from an ordinary call, so that neither can be told here"
    anatomy = dissect(PocRequest(request=request, role="exploit"))
    own = _tells(anatomy, advisory)
    if proposed.kind == "benign":
        return f"it has what ordinary calls do not have: {min(own)}" if own else ""
    if not any(own & each for each in tells):
        return "it has nothing of what tells the disclosed attack"
    if not any(_same_place(anatomy, exploit, advisory) for exploit in exploits):
        return "it goes where no disclosed attack goes"
    return ""


def _tells(anatomy: Anatomy, advisory: Advisory) -> frozenset[str]:
    return frozenset(tell.phrase for tell in telling(anatomy, advisory))


def _same_place(anatomy: Anatomy, exploit: Anatomy, advisory: Advisory) -> bool:
    if endpoint_free(exploit, advisory):
        return True
    ours = [segment.text.lower() for segment in anatomy.segments if not segment.classes]
    theirs = [segment.text.lower() for segment in exploit.segments if not segment.classes]
    if not ours or not theirs:
        return ours == theirs
    # Where the path is the payload, its end is not the place: then its beginning has to be there, below any prefix.
    return theirs[0] in ours if path_payload(exploit) else ours[-1] == theirs[-1]


def _request(proposed: Proposed, name: str, model: str) -> Request | str:
    """Read a proposed request as our readers read any; or why it is none."""
    if (told := _no_request(proposed)) is not None:
        return told
    headers = [[header.name, header.value] for header in proposed.headers]
    have = {header.name.lower() for header in proposed.headers}
    if "host" not in have:
        headers.insert(0, ["Host", "site.example"])
    if proposed.body is not None and "content-length" not in have:
        headers.append(["Content-Length", str(len(proposed.body.encode("utf-8", "replace")))])
    row: dict[str, Any] = {
        "id": name, "source": model, "method": proposed.method, "target": proposed.target, "version": "HTTP/1.1",
        "headers": headers, "body": proposed.body or "", "body_sent": proposed.body is not None,
    }  # fmt: skip
    for read in read_jsonl(io.BytesIO(json.dumps(row).encode()), name):
        return f"it cannot be read: {read.what}" if isinstance(read, InputError) else read
    return "it cannot be read"
