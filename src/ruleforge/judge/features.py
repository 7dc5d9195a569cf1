"""What the judge measures of a rule: one number for each question, or None where it could not be asked."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from ruleforge.cases.anatomy import Part
from ruleforge.cases.evidence import Evidence
from ruleforge.judge.chosen import (
    choice_worst,
    choices_lost,
    literal_lost,
    named_lost,
    payload_lost,
    unvaried,
    value_lost,
)
from ruleforge.judge.observe import Asked, Observed, observe, reads
from ruleforge.judge.shape import (
    LITERAL_OPS,
    PATH_OPS,
    Conjunct,
    Question,
    arm_bits,
    tree_bits,
    wants_value,
    wants_whole,
)
from ruleforge.rules.lint import is_generic_path
from ruleforge.rules.tree import Rule

KINDS = ("variation", "neutral", "near", "cross", "benign", "shape", "agreement")
FREE = frozenset(("endpoint", "method"))  # kinds of condition that the attacker cannot do without
# What is answered wrongly; a few variants may be.
FACTS = ("replay_missed", "neutral_hit", "near_hit", "near_kinds", "benign_hit", "strangers_hit")
SOME_MISSED = 0.1

# Where exploits of others are collected, by the words that tags and links of a disclosure have for them.
_COLLECTIONS = (
    ("Exploit-DB", "edb", "exploit-db.com"),
    ("Packet Storm", "packetstorm", "packetstormsecurity"),
    ("Metasploit", "msf", "metasploit"),
    ("Vulhub", "vulhub", "vulhub"),
    ("known to be exploited", "kev", "known-exploited-vulnerabilities"),
    ("a repository or report", "huntr", "//github.com/"),
)
_WORD = re.compile(rb"(?<![%0-9A-Za-z])[A-Za-z_][\w-]{2,}")  # no hexadecimal digits of an escape

Measure = Callable[[Observed], float | None]


class Feature(msgspec.Struct, frozen=True):
    """One measured quantity."""

    name: str
    kind: str  # one of KINDS
    meaning: str
    absent: str  # why it is None, where it is
    measure: Measure


def features(rule: Rule, evidence: Evidence) -> Mapping[str, float | None]:
    """Measure `rule`; every name of FEATURES is there, None where the evidence does not allow it."""
    return measured(observe(rule, evidence))


def measured(observed: Observed, only: Collection[str] | None = None) -> Mapping[str, float | None]:
    """Measure what was observed, each to four decimals; all features, or those in `only`."""
    found = {n: feature.measure(observed) for n, feature in FEATURES.items() if only is None or n in only}
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def is_quiet(features: Mapping[str, float | None]) -> bool:
    """Whether a rule answered everything rightly that was tried: what is left against it are suspicions.

    What tells such rules apart is drowned by what tells the others from them, so the model has sums of its own for it.
    """
    return not any(features.get(name) for name in FACTS) and (features.get("seen_missed") or 0.0) <= SOME_MISSED


def _share(asked: Iterable[Asked], *, fires: bool) -> float | None:
    answers = [one.fires is fires for one in asked]
    return sum(answers) / len(answers) if answers else None


def _kinds(asked: Sequence[Asked], *, fires: bool) -> float | None:
    """Share of the kinds of request of which some is answered so."""
    kinds = {one.case.kind for one in asked}
    return len({one.case.kind for one in asked if one.fires is fires}) / len(kinds) if kinds else None


# --- variation --------------------------------------------------------------------------------------------------------


def replay_missed(observed: Observed) -> float | None:
    """Share of the source's own exploit requests."""
    return _share(observed.exploits, fires=False)


def variants_missed(observed: Observed) -> float | None:
    """Share of JUDGE variants."""
    return _share(observed.variants, fires=False)


def ways_missed(observed: Observed) -> float | None:
    """Share of the ways of writing, of both families."""
    return _kinds((*observed.variants, *observed.seen_variants), fires=False)


def seen_missed(observed: Observed) -> float | None:
    """Share of FEEDBACK variants."""
    return _share(observed.seen_variants, fires=False)


def published(observed: Observed) -> float | None:
    """How many collections of exploits have one, by what the disclosure says: each author writes another."""
    return None if observed.evidence.disclosure is None else float(len(collections(observed)))


def collections(observed: Observed) -> tuple[str, ...]:
    """Name the collections that have an exploit, by tags and links of the disclosure."""
    disclosure = observed.evidence.disclosure
    if disclosure is None:
        return ()
    tags = {tag.lower() for tag in disclosure.tags}
    links = " ".join(disclosure.references[:100]).lower()
    return tuple(said for said, tag, site in _COLLECTIONS if tag in tags or site in links)


def shown_ways(observed: Observed) -> float | None:
    """How many exploit requests the disclosure shows, as a logarithm."""
    return math.log1p(len(observed.exploits)) if observed.exploits else None


def unvaried_wanted(observed: Observed) -> float | None:
    """How many conditions want a text that no choice changed, in the mean over the exploits."""
    if not observed.exploits:
        return None
    paths = {observed.conjuncts[at].path for at in unvaried(observed)}
    return _each_arm(observed, lambda c: float(c.path in paths))


# --- shape ------------------------------------------------------------------------------------------------------------


def _wide(observed: Observed) -> tuple[Conjunct, ...]:
    """The conditions of the alternative that the exploits use most: what a variant of them has to satisfy."""
    if not observed.arms:
        return ()
    used = [arm for one in observed.exploits if (arm := observed.arm_of(one)) is not None]
    chosen = max(set(used), key=lambda arm: (used.count(arm), -arm)) if used else 0
    return observed.arms[chosen]


def _each_arm(observed: Observed, count: Callable[[Conjunct], float]) -> float:
    """The mean over the exploits of what the alternative that hits each adds up to; over all alternatives else."""
    used = [arm for one in observed.exploits if (arm := observed.arm_of(one)) is not None]
    chosen = [observed.arms[arm] for arm in used] or list(observed.arms)
    return sum(sum(map(count, arm)) for arm in chosen) / max(len(chosen), 1)


def conditions(observed: Observed) -> float | None:
    """How many things have to hold at once."""
    return _each_arm(observed, lambda _: 1.0)


def names_wanted(observed: Observed) -> float | None:
    """How many conditions depend on the name of an argument, header or cookie."""
    return _each_arm(observed, lambda c: float(any(q.names and not q.negated for q in c.questions)))


def exact_values(observed: Observed) -> float | None:
    """How many conditions want one exact value."""
    return _each_arm(observed, lambda c: float(bool(c.questions) and all(map(wants_whole, c.questions))))


def some_values(observed: Observed) -> float | None:
    """How many conditions want a piece of a value."""
    return _each_arm(
        observed,
        lambda c: float(bool(c.questions) and all(wants_value(q) and not wants_whole(q) for q in c.questions)),
    )


def literal_bytes(observed: Observed) -> float | None:
    """How many bytes of values are wanted, as a logarithm."""

    def count(conjunct: Conjunct) -> float:
        return min((float(len(t)) for q in conjunct.questions if wants_value(q) for t in q.literals), default=0.0)

    return math.log1p(_each_arm(observed, count))


def words_of_place(arm: Sequence[Conjunct]) -> int:
    """How many segments of a path an alternative wants at least."""

    def segments(conjunct: Conjunct) -> int:
        texts = [t for q in conjunct.questions if not q.negated and q.place.startswith("path") for t in _path_words(q)]
        return min((sum(1 for piece in text.split(b"/") if piece) for text in texts), default=0)

    return max((segments(conjunct) for conjunct in arm if conjunct.kind == "endpoint"), default=0)


def place_words(observed: Observed) -> float | None:
    """How many segments of a path the alternative with the fewest of them wants, 4 at most."""
    return float(min(4, *map(words_of_place, observed.arms))) if observed.arms else None


def is_nameless(conjunct: Conjunct) -> bool:
    """Whether a condition looks for an attack in a place without saying under which name."""
    return conjunct.kind == "payload" and not any(question.names for question in conjunct.questions)


def nameless(observed: Observed) -> float | None:
    """Share of the alternatives that look for an attack in a place without saying under which name."""
    arms = observed.arms
    return sum(any(map(is_nameless, arm)) for arm in arms) / max(len(arms), 1)


def method_wanted(observed: Observed) -> float | None:
    """Whether the method has to be a certain one."""
    return min(1.0, _each_arm(observed, lambda c: float(c.kind == "method")))


def presence_wanted(observed: Observed) -> float | None:
    """How many conditions only want something to be there."""
    return _each_arm(observed, lambda c: float(c.kind == "presence" and not any(q.op == "absent" for q in c.questions)))


def selectors_wanted(observed: Observed) -> float | None:
    """How many conditions say which function is called."""
    return _each_arm(observed, lambda c: float(c.kind == "selector"))


def raw_reads(observed: Observed) -> float | None:
    """How many conditions read a place before it is decoded."""
    return _each_arm(observed, lambda c: float(all(q.place.endswith(".raw") for q in c.questions)))


def path_whole(observed: Observed) -> float | None:
    """Whether the path has to be as it is from the root on."""

    def whole(conjunct: Conjunct) -> float:
        anchored = [q.op in ("equals", "in", "starts_with") for q in conjunct.questions if not q.negated]
        return float(conjunct.kind == "endpoint" and bool(anchored) and all(anchored))

    return min(1.0, _each_arm(observed, whole))


def no_endpoint(observed: Observed) -> float | None:
    """Whether some alternative says nothing about where the request goes."""
    return float(not all(map(placed, observed.arms)))


def placed(arm: Sequence[Conjunct]) -> bool:
    """Whether an alternative says where the request goes: by its path, or by an argument that chooses the function."""
    if any(c.kind in ("endpoint", "selector") for c in arm):
        return True
    asked = LITERAL_OPS | PATH_OPS  # a route is sent in an argument, too
    return any(q.selects and not q.negated and q.op in asked for c in arm for q in c.questions)


def endpoint_bits(observed: Observed) -> float | None:
    """How rare the least rare endpoint is."""
    return _least(observed, lambda c: c.kind == "endpoint")


def generic_place(observed: Observed) -> float | None:
    """Share of the alternatives of which no word in the path names the product: every product has such pages."""

    def named(conjunct: Conjunct) -> bool:
        texts = (t for q in conjunct.questions if q.place.startswith(("path", "target")) for t in _path_words(q))
        return any(_WORD.search(text) and not is_generic_path(text) for text in texts)

    arms = observed.arms
    return sum(not any(map(named, arm)) for arm in arms) / max(len(arms), 1)


def _path_words(question: Question) -> tuple[bytes, ...]:
    if question.op == "regex" and isinstance(question.value, bytes):
        return (question.value[:2_000],)
    return () if question.negated else question.literals


def absences(observed: Observed) -> float | None:
    """How many conditions ask that something is not there: what many ordinary clients lack as well."""
    return _each_arm(observed, lambda c: float(any(q.op == "absent" or q.negated for q in c.questions)))


def alternatives(observed: Observed) -> float | None:
    """How many alternatives there are, as a logarithm."""
    return math.log(max(len(observed.arms), 1))


def payload_read(observed: Observed) -> float | None:
    """Share of the alternatives that look for an attack in what the attacker controls."""
    arms = observed.arms
    return sum(any(c.kind == "payload" for c in arm) for arm in arms) / max(len(arms), 1)


def surprise(observed: Observed) -> float | None:
    """How rare the least rare alternative is in normal traffic."""
    evidence = observed.evidence
    if evidence.background is None or not observed.arms:
        return None
    return min(arm_bits(arm, evidence.background, evidence.class_bits) for arm in observed.arms)


def _least(observed: Observed, chosen: Callable[[Conjunct], bool]) -> float | None:
    evidence = observed.evidence
    if evidence.background is None or not observed.arms:
        return None
    background = evidence.background
    sums = [sum(tree_bits(c.tree, background, evidence.class_bits) for c in arm if chosen(c)) for arm in observed.arms]
    return min(sums)


def class_breadth(observed: Observed) -> float | None:
    """How rare the payload class is that the least rare alternative asks for, in bits; 0 where it asks for none."""
    return _least(observed, lambda c: c.kind == "payload") if observed.evidence.class_bits else None


def wanted_from_attack(observed: Observed) -> float | None:
    """How many conditions want a text that stands in the attack itself: another attacker writes another one."""
    parts = [part for tells in observed.evidence.tells for tell in tells if (part := tell.part) is not None]
    if not observed.evidence.tells:
        return None

    def copied(question: Question, part: Part) -> bool:
        if not wants_value(question) or not reads(question, part):
            return False
        return any(text.lower() in part.value.lower() for text in question.literals)

    return _each_arm(observed, lambda c: float(any(copied(q, part) for q in c.questions for part in parts)))


def wanted_standins(observed: Observed) -> float | None:
    """How many conditions want bytes that the source makes up anew each time."""
    standins = {mark for anatomy in observed.evidence.anatomies for mark in anatomy.poc.standins if len(mark) > 3}
    if not observed.evidence.anatomies:
        return None

    def made_up(question: Question) -> bool:
        return any(mark in text for mark in standins for text in question.literals)

    return _each_arm(observed, lambda c: float(any(map(made_up, c.questions))))


def tell_read(observed: Observed) -> float | None:
    """Share of the exploits of which the rule reads a part that no ordinary call has; None: no part is known."""
    told: list[bool] = []
    for asked, tells in zip(observed.exploits, observed.evidence.tells, strict=False):
        if tells:
            arm = observed.arm_of(asked)
            own = observed.arms[arm] if arm is not None else observed.conjuncts
            told.append(any(reads_tell(c, tell.part) for c in own for tell in tells))
    return sum(told) / len(told) if told else None


def reads_tell(conjunct: Conjunct, part: Part | None) -> bool:
    """Whether a condition looks at a telling part; None is the path or the method."""
    if part is None:
        return conjunct.kind in ("endpoint", "payload", "method") and any(
            q.place.startswith(("path", "target", "method")) for q in conjunct.questions
        )
    if conjunct.kind == "presence":
        return False
    return any(reads(question, part) for question in conjunct.questions)


def no_payload_known(observed: Observed) -> float | None:
    """Whether the exploits have nothing that ordinary calls lack: then what is on target is hard to say."""
    tells = observed.evidence.tells
    return sum(not each for each in tells) / len(tells) if tells else None


# --- what harmless requests show --------------------------------------------------------------------------------------


def neutral_hit(observed: Observed) -> float | None:
    """Share of exploits with the payload taken out."""
    return _share(observed.neutral, fires=True)


def near_hit(observed: Observed) -> float | None:
    """Share of JUDGE near-misses."""
    return _share(observed.near, fires=True)


def near_kinds(observed: Observed) -> float | None:
    """Share of kinds of near-miss, of both families."""
    return _kinds((*observed.near, *observed.seen_near), fires=True)


def steps_hit(observed: Observed) -> float | None:
    """Share of the source's own steps that are no attack."""
    return _share(observed.steps, fires=True)


def guard(observed: Observed) -> float | None:
    """The largest share of harmless requests that one condition alone keeps out.

    Near 1: all rests on that condition. It is asked of the conditions that do not say where the request goes.
    """
    harmless = observed.harmless
    if not harmless:
        return None
    shares = [
        sum(observed.fires_without(at, one.answers) and not one.fires for one in harmless) / len(harmless)
        for at, conjunct in enumerate(observed.conjuncts)
        if conjunct.kind not in FREE
    ]
    return max(shares, default=0.0)


def idle(observed: Observed) -> tuple[int, ...]:
    """Conditions that keep out no harmless request that is known: what they ask may cost exploits and bring nothing."""
    harmless = observed.harmless
    return tuple(
        at
        for at, conjunct in enumerate(observed.conjuncts)
        if conjunct.kind not in (*FREE, "payload", "negated") and len(observed.arms[conjunct.arm]) > 1
        if not any(observed.fires_without(at, one.answers) and not one.fires for one in harmless)
    )


def idle_conditions(observed: Observed) -> float | None:
    """How many conditions are idle, in the mean over the exploits."""
    if not observed.harmless:
        return None
    unneeded = {observed.conjuncts[at].path for at in idle(observed)}
    return _each_arm(observed, lambda c: float(c.path in unneeded))


# --- traffic ----------------------------------------------------------------------------------------------------------


def benign_hit(observed: Observed) -> float | None:
    """Rows of normal traffic, as a logarithm."""
    return None if observed.benign is None else math.log1p(len(observed.benign))


def strangers_hit(observed: Observed) -> float | None:
    """Other vulnerabilities of other products whose requests it fires on, as a logarithm."""
    return None if observed.strangers is None else math.log1p(len({case.note for case in observed.strangers}))


def place_shared(observed: Observed) -> float | None:
    """Other vulnerabilities that are attacked at the place where the rule looks, as a logarithm."""
    return None if observed.strangers is None else math.log1p(len(observed.nearly))


def place_nearly(observed: Observed) -> float | None:
    """Of these, those that one condition alone keeps it silent on: in effect, at most one."""
    if observed.strangers is None:
        return None
    return math.log1p(sum(lacking <= 1 for _, lacking in observed.nearly))


def kin_hit(observed: Observed) -> float | None:
    """Other vulnerabilities of the same product whose requests it fires on, as a logarithm."""
    return None if observed.strangers is None else math.log1p(len({case.note for case in observed.kin}))


# --- agreement --------------------------------------------------------------------------------------------------------


def listed(observed: Observed) -> float | None:
    """Share of the exploits that an alternative of their own hits, and no other exploit."""
    if len(observed.exploits) < 2:
        return None
    arms = [observed.arm_of(one) for one in observed.exploits]
    return sum(arm is None or arms.count(arm) < 2 for arm in arms) / len(arms)


def documents_listed(observed: Observed) -> float | None:
    """Share of the documents that are hit by an alternative of their own only."""
    ordinals = observed.evidence.documents
    if len(set(ordinals)) < 2:
        return None
    by_arm: dict[int, set[int]] = {}
    for ordinal, one in zip(ordinals, observed.exploits, strict=False):
        for arm in range(len(observed.arms)):
            if observed.holds(arm, one.answers):
                by_arm.setdefault(arm, set()).add(ordinal)
    shared = {ordinal for hit in by_arm.values() if len(hit) > 1 for ordinal in hit}
    return 1 - len(shared) / len(set(ordinals))


_NO_EXPLOIT = "there is no exploit request"
_NO_VARIANT = "no valid way to write the exploit differently is known"
_NO_NEAR = "no near-miss can be made of these requests"
_NO_TABLE = "there is no table of normal traffic"
_NO_CHOICE = "nothing of the exploits is known that an attacker may choose"
_ROWS: tuple[tuple[str, str, str, str, Measure], ...] = (
    ("replay_missed", "variation", "share of the source's own exploits that it misses", _NO_EXPLOIT, replay_missed),
    ("variants_missed", "variation", "share of unseen variants that it misses", _NO_VARIANT, variants_missed),
    ("seen_missed", "variation", "share of the gates' variants that it misses", _NO_VARIANT, seen_missed),
    ("ways_missed", "variation", "share of the ways of writing of which it misses some", _NO_VARIANT, ways_missed),
    ("choices_lost", "variation", "share of the attacker's free choices that lose the rule", _NO_CHOICE, choices_lost),
    ("choice_worst", "variation", "share of the other values that lose it, of the worst free choice", _NO_CHOICE,
     choice_worst),
    ("literal_lost", "variation", "the same, of what a wanted text or pattern does not survive", _NO_CHOICE,
     literal_lost),
    ("published", "agreement", "collections of exploits that have one, by the disclosure",
     "nothing was disclosed", published),
    ("shown_ways", "agreement", "log of 1 + exploit requests that the disclosure shows", _NO_EXPLOIT, shown_ways),
    ("payload_lost", "variation", "the same, of choices inside the payload",
     "nothing in the payload is known that an attacker may choose", payload_lost),
    ("value_lost", "variation", "the same, of ordinary values and file names",
     "no value beside the payload is known that an attacker may choose", value_lost),
    ("named_lost", "variation", "share of the other places that the disclosure names in which it misses the attack",
     "the disclosure names no other place", named_lost),
    ("unvaried_wanted", "shape", "conditions that want a text of a value which no variant changed", _NO_EXPLOIT,
     unvaried_wanted),
    ("conditions", "shape", "conditions that must hold at once", "", conditions),
    ("names_wanted", "shape", "conditions that depend on a name", "", names_wanted),
    ("exact_values", "shape", "conditions that want one exact value the attacker chooses", "", exact_values),
    ("some_values", "shape", "conditions that want a piece of such a value", "", some_values),
    ("literal_bytes", "shape", "log of 1 + bytes wanted of such values", "", literal_bytes),
    ("raw_reads", "shape", "conditions that read a place before it is decoded", "", raw_reads),
    ("path_whole", "shape", "the path has to be as it is from the root on", "", path_whole),
    ("place_words", "shape", "segments of the path that the least alternative wants", "", place_words),
    ("nameless", "shape", "share of the alternatives that look for an attack under any name", "", nameless),
    ("method_wanted", "shape", "the method has to be a certain one", "", method_wanted),
    ("presence_wanted", "shape", "conditions that only want something to be there", "", presence_wanted),
    ("selectors_wanted", "shape", "conditions that say which function is called", "", selectors_wanted),
    ("no_endpoint", "shape", "some alternative says nothing of where the request goes", "", no_endpoint),
    ("generic_place", "shape", "share of the alternatives that name no place of the product", "", generic_place),
    ("absences", "shape", "conditions that ask that something is not there", "", absences),
    ("alternatives", "shape", "log of the number of alternatives", "", alternatives),
    ("endpoint_bits", "shape", "bits of the least rare endpoint", _NO_TABLE, endpoint_bits),
    ("payload_read", "shape", "share of the alternatives that look for an attack", "", payload_read),
    ("surprise", "shape", "bits of the least rare alternative in normal traffic", _NO_TABLE, surprise),
    ("class_breadth", "shape", "bits of the payload classes asked for", _NO_TABLE, class_breadth),
    ("wanted_from_attack", "shape", "conditions that want a text of the attack itself", _NO_EXPLOIT,
     wanted_from_attack),
    ("wanted_standins", "shape", "conditions that want bytes the source makes up anew", _NO_EXPLOIT, wanted_standins),
    ("tell_read", "shape", "share of the exploits of which it reads a part that ordinary calls lack",
     "no part of the exploits is known that ordinary calls lack", tell_read),
    ("no_payload_known", "shape", "share of the exploits without such a part", _NO_EXPLOIT, no_payload_known),
    ("neutral_hit", "neutral", "share of exploits with the payload taken out that it fires on",
     "the payload cannot be taken out of these exploits", neutral_hit),
    ("near_hit", "near", "share of unseen near-misses that it fires on", _NO_NEAR, near_hit),
    ("near_kinds", "near", "share of the kinds of near-miss that it fires on", _NO_NEAR, near_kinds),
    ("steps_hit", "near", "share of the source's other requests that it fires on",
     "the source has no other request", steps_hit),
    ("guard", "near", "largest share of harmless requests that one condition alone keeps out", _NO_NEAR, guard),
    ("idle_conditions", "near", "conditions that keep out nothing that is known", _NO_NEAR, idle_conditions),
    ("benign_hit", "benign", "log of 1 + rows of normal traffic that it fires on", "no normal traffic was given",
     benign_hit),
    ("strangers_hit", "cross", "log of 1 + other vulnerabilities that it fires on", "no other sources were given",
     strangers_hit),
    ("place_shared", "cross", "log of 1 + other vulnerabilities attacked at the same place",
     "no other sources were given", place_shared),
    ("place_nearly", "cross", "log of 1 + of these, those that at most one condition keeps it silent on",
     "no other sources were given", place_nearly),
    ("kin_hit", "cross", "log of 1 + other vulnerabilities of the same product that it fires on",
     "no other sources were given", kin_hit),
    ("listed", "agreement", "share of the exploits with an alternative of their own", "there is one exploit", listed),
    ("documents_listed", "agreement", "share of the documents with an alternative of their own",
     "there is one document", documents_listed),
)  # fmt: skip
FEATURES: Mapping[str, Feature] = {row[0]: Feature(*row) for row in _ROWS}
