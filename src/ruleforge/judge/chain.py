"""What the judge says: each sentence names a condition as the rule's own sentence does, and the request that shows it.

The direct observations come first in weight: a request that is answered wrongly is a fact, a shape is a suspicion.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from ruleforge.cases.anatomy import Part
from ruleforge.judge.chosen import NAMED, chosen, unvaried
from ruleforge.judge.features import (
    FEATURES,
    collections,
    idle,
    is_nameless,
    placed,
    reads_tell,
    surprise,
    words_of_place,
)
from ruleforge.judge.observe import Asked, Observed, reads
from ruleforge.judge.shape import Conjunct, Question, tree_bits, wants_value, wants_whole
from ruleforge.judge.showing import focus_of, shown
from ruleforge.records.forging import Reason
from ruleforge.rules.render import quote_bytes, render_clause
from ruleforge.rules.tree import Root

MAX_CLAUSE = 160
EACH_MOST = 3  # sentences of one code
FACT = 3.0  # least weight of a request that is answered wrongly
LEAST_SHARE = 0.25  # of a weight that counts in the order whatever the probability of its defect
SUSPICION = 0.4  # least weight of a shape that is told
PLACE_BITS_MOST = 20.0  # of surprise up to which other products are said to have a place as well
NOTES_MOST = 6  # choices that are named

# code, text, condition path, the request that shows it, least weight
Found = Iterator[tuple[str, str, str, Asked | None, float]]


def chain_of(
    observed: Observed, contributions: Mapping[str, Mapping[str, float]], probable: Mapping[str, float | None]
) -> tuple[Reason, ...]:
    """Say what speaks against the rule, then what speaks for it.

    First comes what weighs most towards the likelier defect.

    Args:
        observed: what the rule answered.
        contributions: "miss" and "off" → feature → what it adds to the log-odds.
        probable: "miss" and "off_target" → the probability; None: unknown.
    """
    against: list[Reason] = []
    for question, feature, tell in _TELLERS:
        told = contributions.get("miss" if question == "miss" else "off", {}).get(feature, 0.0)
        for code, text, path, asked, least in tell(observed):
            against.append(
                Reason(
                    code=code, question=question, text=text, condition=path, feature=feature,  # type: ignore[arg-type]
                    request=shown(asked.case.view.request, focus_of(observed, asked)) if asked is not None else "",
                    weight=round(max(told, least), 3),
                )
            )  # fmt: skip
    against = [reason for reason in against if reason.weight > 0]
    against.sort(
        key=lambda reason: (
            reason.code in _REMARKS, -reason.weight * (LEAST_SHARE + (probable.get(reason.question) or 0.0))
        )
    )  # fmt: skip
    return (*_few(against), *_in_favour(observed, contributions))


def sentence(reason: Reason) -> str:
    """Give a reason as one line: the question, the sentence, the request."""
    said = f"p_{reason.question}: {reason.text}"
    return f"{said} Shown by {reason.request}" if reason.request else said


# Reasons that say of one place in several ways what is one thing: the first of them takes in the others.
_ONE_THING = (
    frozenset((
        "misses_exploit", "misses_variant", "loses_free_choice", "copied_from_attack", "exact_value", "made_up_bytes",
        "idle_condition", "raw_place", "fixed_path",
    )),
    frozenset((
        "fires_without_payload", "fires_on_near_miss", "fires_on_step", "no_payload_condition", "one_guard",
    )),
    frozenset(("fires_on_traffic", "fires_on_stranger", "no_endpoint", "place_of_others", "not_surprising")),
)  # fmt: skip
_REMARKS = frozenset(("one_guard", "idle_condition", "shown_by_one"))  # true of many good rules: told after all others
_COUNTED = "It fires on "


def _few(reasons: Sequence[Reason]) -> list[Reason]:
    """Take what says the same of the same place together, and at most three of one code."""
    kept: list[Reason] = []
    for reason in reasons:
        theme = next((theme for theme in _ONE_THING if reason.code in theme), frozenset((reason.code,)))
        at = next((at for at, one in enumerate(kept) if one.code in theme and _one_place(one, reason)), None)
        if at is not None:
            kept[at] = _taken_in(kept[at], reason)
        elif sum(one.code == reason.code for one in kept) < EACH_MOST:
            kept.append(reason)
    return kept


def _one_place(one: Reason, other: Reason) -> bool:
    """Of misses the same condition; what a rule fires on speaks of the rule as a whole."""
    return one.question == other.question and (one.question == "off_target" or one.condition == other.condition)


def _taken_in(kept: Reason, other: Reason) -> Reason:
    also = kept.also if other.code in (kept.code, *kept.also) else (*kept.also, other.code)
    text = kept.text
    if other.text.startswith(_COUNTED) and text.startswith(_COUNTED) and text.count("; also on") < EACH_MOST:
        text = f"{text.removesuffix('.')}; also on {other.text.removeprefix(_COUNTED).partition(': ')[0].rstrip('.')}."
    elif other.code == "loses_free_choice" or (other.code == "no_payload_condition" and "condition reads" not in text):
        text = f"{text} {other.text}"
    return msgspec.structs.replace(kept, text=text, also=also)


def clause(tree: Root) -> str:
    """Say a condition as the rule's sentence does, short."""
    said = render_clause(tree)
    return said if len(said) <= MAX_CLAUSE else said[: MAX_CLAUSE - 1] + "…"


# --- miss -------------------------------------------------------------------------------------------------------------


def _missed(asked: Sequence[Asked], observed: Observed, code: str, what: Callable[[Asked], str]) -> Found:
    """One sentence for each condition that stands in the way of requests that ought to be hit."""
    by_condition: dict[int, list[Asked]] = {}
    missed = [one for one in asked if not one.fires]
    for one in missed:
        blamed = observed.blamed(one)
        if blamed:
            by_condition.setdefault(blamed[0], []).append(one)
    for at, cases in sorted(by_condition.items(), key=lambda item: -len(item[1])):
        conjunct = observed.conjuncts[at]
        text = f"“{clause(conjunct.tree)}” does not hold for {len(cases)} of {len(asked)} {what(cases[0])}."
        share = len(cases) / len(asked)
        yield code, text, conjunct.path, cases[0], 1.0 + FACT * share


def _misses_exploit(observed: Observed) -> Found:
    return _missed(
        observed.exploits, observed, "misses_exploit", lambda _: "exploit requests of the source, so it misses them"
    )


def _misses_variant(observed: Observed) -> Found:
    def what(one: Asked) -> str:
        way = one.case.note or one.case.kind.replace("_", " ")
        return f"ways of writing the same attack (for example: {way})"

    return _missed((*observed.variants, *observed.seen_variants), observed, "misses_variant", what)


def _loses_choice(observed: Observed) -> Found:
    """Of each condition the free choice that it loses most by."""
    worst: dict[int, tuple[float, list[Asked], int]] = {}
    for group in chosen(observed).values():
        lost = [one for one in group if not one.fires]
        blamed = observed.blamed(lost[0]) if lost and group[0].case.kind not in NAMED else ()
        share = len(lost) / len(group)
        if blamed and share > worst.get(blamed[0], (0.0, [], 0))[0]:
            worst[blamed[0]] = (share, lost, len(group))
    for at, (share, lost, of) in sorted(worst.items(), key=lambda item: -item[1][0]):
        conjunct = observed.conjuncts[at]
        text = (
            f"“{clause(conjunct.tree)}” does not hold where {lost[0].case.note} ({len(lost)} of {of} tried), "
            "which the attacker chooses freely."
        )
        yield "loses_free_choice", text, conjunct.path, lost[0], 1.0 + FACT * share


def _misses_named(observed: Observed) -> Found:
    lost = [one for one in observed.choices if one.case.kind in NAMED and not one.fires]
    for one in lost[:EACH_MOST]:
        blamed = observed.blamed(one)
        if blamed:
            conjunct = observed.conjuncts[blamed[0]]
            text = f"“{clause(conjunct.tree)}” does not hold where {one.case.note}."
            yield "misses_named", text, conjunct.path, one, 1.0


def _copied(observed: Observed) -> Found:
    parts = [part for tells in observed.evidence.tells for tell in tells if (part := tell.part) is not None]
    exploit = observed.exploits[0] if observed.exploits else None
    for conjunct in observed.conjuncts:
        found = next((p for q in conjunct.questions for p in parts if wants_value(q) and _holds(q, p)), None)
        if found is not None:
            text = (
                f"“{clause(conjunct.tree)}” wants text that stands in the published attack; "
                f"another payload in the {_place(found)} need not have it."
            )
            yield "copied_from_attack", text, conjunct.path, exploit, SUSPICION


def _holds(question: Question, part: Part) -> bool:
    return reads(question, part) and any(text.lower() in part.value.lower() for text in question.literals)


def _place(part: Part) -> str:
    name = quote_bytes(part.name, 40) if part.name else ""
    return f"{part.place.replace('_', ' ').removesuffix('s')} {name}".strip()


def _made_up(observed: Observed) -> Found:
    marks = {mark for anatomy in observed.evidence.anatomies for mark in anatomy.poc.standins if len(mark) > 3}
    for conjunct in observed.conjuncts:
        if any(mark in text for q in conjunct.questions for text in q.literals for mark in marks):
            text = f"“{clause(conjunct.tree)}” wants bytes that the source makes up anew for each attack."
            yield "made_up_bytes", text, conjunct.path, None, FACT


def _exact(observed: Observed) -> Found:
    for conjunct in observed.conjuncts:
        if conjunct.questions and all(map(wants_whole, conjunct.questions)):
            text = f"“{clause(conjunct.tree)}” wants one exact value where the attacker chooses what to send."
            yield "exact_value", text, conjunct.path, None, SUSPICION


def _idle(observed: Observed) -> Found:
    count = len(observed.harmless)
    for at in idle(observed) if count else ():
        conjunct = observed.conjuncts[at]
        text = (
            f"“{clause(conjunct.tree)}” keeps out none of the {count} harmless requests tried; "
            "unless the attack cannot do without it, it costs attacks."
        )
        yield "idle_condition", text, conjunct.path, None, SUSPICION / 2


def _published(observed: Observed) -> Found:
    where = collections(observed)
    if where and observed.exploits:
        text = (
            f"Exploits of others are collected ({', '.join(where[:EACH_MOST])}), and the disclosure shows "
            f"{_all(observed.exploits, 'request')}: what their authors send may differ in place or parameter."
        )
        yield "shown_by_one", text, "when", None, 0.0


def _raw(observed: Observed) -> Found:
    variants = (*observed.variants, *observed.seen_variants)
    if variants and all(one.fires for one in variants):
        return  # other encodings are among them
    for conjunct in observed.conjuncts:
        if conjunct.questions and all(q.place.endswith(".raw") for q in conjunct.questions):
            text = f"“{clause(conjunct.tree)}” reads the request as sent: the same bytes in another encoding pass it."
            yield "raw_place", text, conjunct.path, None, SUSPICION


def _fixed_path(observed: Observed) -> Found:
    for conjunct in observed.conjuncts:
        asked = [q for q in conjunct.questions if not q.negated]
        if conjunct.kind == "endpoint" and asked and all(q.op in ("equals", "in", "starts_with") for q in asked):
            text = f"“{clause(conjunct.tree)}” fails where the product is installed under another path."
            yield "fixed_path", text, conjunct.path, None, SUSPICION


def _listed(observed: Observed) -> Found:
    if len(observed.exploits) > 1 and len(observed.arms) > 1:
        text = (
            f"The {len(observed.exploits)} exploits are hit by {len(observed.arms)} alternatives: "
            "what the next author sends may be in none of them."
        )
        yield "listed_shapes", text, "when", None, SUSPICION


def _many(observed: Observed) -> Found:
    most = max(map(len, observed.arms), default=0)
    if most > 3:
        text = f"{most} things have to hold at once; an attack that lacks one of them passes."
        yield "many_conditions", text, "when", None, 0.0


# --- off target -------------------------------------------------------------------------------------------------------


def _fires(asked: Sequence[Asked], observed: Observed, code: str, what: Callable[[Asked], str]) -> Found:
    """Of each kind of harmless request that is hit, the condition that ought to have kept it out."""
    by_kind: dict[str, list[Asked]] = {}
    for one in asked:
        if one.fires:
            by_kind.setdefault(one.case.kind, []).append(one)
    for cases in sorted(by_kind.values(), key=len, reverse=True):
        conjunct = _weakest(observed, cases[0])
        if conjunct is not None and conjunct.kind == "payload":
            about = f"“{clause(conjunct.tree)}” holds there as well"
        else:
            about = _unread(observed, conjunct)
        text = f"It fires on {len(cases)} of {len(asked)} {what(cases[0])}: {about}."
        path = conjunct.path if conjunct else "when"
        yield code, text, path, cases[0], FACT + len(cases) / len(asked)


def _weakest(observed: Observed, asked: Asked) -> Conjunct | None:
    """The condition that is to tell the attack: the one on the payload, else the one that says most."""
    arm = observed.arm_of(asked)
    if arm is None:
        return None
    order = ("payload", "value", "bound", "presence", "selector", "endpoint", "method", "negated")
    return min(observed.arms[arm], key=lambda c: order.index(c.kind), default=None)


def _unread(observed: Observed, conjunct: Conjunct | None) -> str:
    asked = "nothing it asks for tells the attack"
    if conjunct is not None:
        asked = f"the most telling thing it asks is “{clause(conjunct.tree)}”"
    part = next((t.part for tells in observed.evidence.tells for t in tells if t.part is not None), None)
    if part is None or any(reads(q, part) for c in observed.conjuncts for q in c.questions):
        return asked
    return f"no condition reads what makes the request an attack (the payload in {_place(part)}); {asked}"


def _neutral(observed: Observed) -> Found:
    return _fires(observed.neutral, observed, "fires_without_payload", lambda _: "exploits whose payload was replaced")


def _near(observed: Observed) -> Found:
    def what(one: Asked) -> str:
        return f"harmless look-alikes ({one.case.note or one.case.kind.replace('_', ' ')})"

    return _fires((*observed.near, *observed.seen_near), observed, "fires_on_near_miss", what)


def _steps(observed: Observed) -> Found:
    return _fires(
        observed.steps, observed, "fires_on_step", lambda one: f"{one.case.kind} requests of the source, no attack"
    )


def _traffic(observed: Observed) -> Found:
    if observed.benign:
        text = f"It fires on {len(observed.benign)} requests of normal traffic."
        yield "fires_on_traffic", text, "when", Asked(observed.benign[0], True, ()), 2 * FACT


def _strangers(observed: Observed) -> Found:
    if observed.strangers:
        owners = sorted({case.note for case in observed.strangers})
        names = ", ".join(owners[:3]) + (" …" if len(owners) > 3 else "")
        text = f"It fires on requests of {len(owners)} other vulnerabilities of other products ({names})."
        yield "fires_on_stranger", text, "when", Asked(observed.strangers[0], True, ()), FACT


def _no_payload(observed: Observed) -> Found:
    if observed.silent_neutralised:
        return  # something of the attack is read, whatever we take for it
    tells = [(asked, own) for asked, own in zip(observed.exploits, observed.evidence.tells, strict=False) if own]
    for asked, own in tells:
        arm = observed.arm_of(asked)
        parts = observed.arms[arm] if arm is not None else observed.conjuncts
        if not any(reads_tell(conjunct, tell.part) for conjunct in parts for tell in own):
            told = f"No condition reads what makes the request an attack ({own[0].phrase})."
            path = f"when.any[{arm}]" if len(observed.arms) > 1 and arm is not None else "when"
            yield "no_payload_condition", told, path, asked, SUSPICION
            return
    if not tells and observed.exploits and not any(c.kind == "payload" for c in observed.conjuncts):
        text = "No condition reads an attack payload; the rule recognises the call, not the abuse of it."
        yield "no_payload_condition", text, "when", observed.exploits[0], SUSPICION


def _nowhere(observed: Observed) -> Found:
    for number, arm in enumerate(observed.arms):
        if not placed(arm):
            path = f"when.any[{number}]" if len(observed.arms) > 1 else "when"
            said = clause(arm[0].tree) if arm else "it"
            text = f"“{said}” is asked of every path: the rule says nothing of where the vulnerability is."
            yield "no_endpoint", text, path, None, SUSPICION
            return


def _shared_place(observed: Observed) -> Found:
    """Places that other products have, too, asked about an attack that any of them may have a flaw for."""
    others = sum(lacking <= 1 for _, lacking in observed.nearly)
    for number, arm in enumerate(observed.arms):
        places = [conjunct for conjunct in arm if conjunct.kind == "endpoint"]
        anywhere = next((conjunct for conjunct in arm if is_nameless(conjunct)), None)
        if not places or anywhere is None or any(conjunct.kind == "selector" for conjunct in arm):
            continue
        if not others and (words_of_place(arm) > 1 or _rare(places, observed)):
            continue
        said = f" ({others} other vulnerabilities are attacked there)" if others else ""
        text = (
            f"“{clause(places[0].tree)}” is a place that other products have as well{said}, and "
            f"“{clause(anywhere.tree)}” asks for no name that tells this one: an attack on them fires it, too."
        )
        path = f"when.any[{number}]" if len(observed.arms) > 1 else "when"
        yield "place_of_others", text, path, None, SUSPICION
        return


def _rare(places: Sequence[Conjunct], observed: Observed) -> bool:
    background, bits = observed.evidence.background, observed.evidence.class_bits
    return background is None or sum(tree_bits(c.tree, background, bits) for c in places) > PLACE_BITS_MOST


def _common(observed: Observed) -> Found:
    bits = surprise(observed)
    if bits is not None and bits < 22:
        said = clause(observed.rule.when)
        text = f"“{said}” amounts to {bits:.0f} bits of surprise: ordinary traffic may well satisfy it."
        yield "not_surprising", text, "when", None, SUSPICION if bits < 18 else 0.0


def _one_guard(observed: Observed) -> Found:
    harmless = observed.harmless
    kept = [
        (sum(observed.fires_without(at, one.answers) and not one.fires for one in harmless), at)
        for at, conjunct in enumerate(observed.conjuncts)
        if conjunct.kind not in ("endpoint", "method")
    ]
    count, at = max(kept, default=(0, 0))
    if count * 3 > len(harmless):
        conjunct = observed.conjuncts[at]
        cases = [one for one in harmless if observed.fires_without(at, one.answers) and not one.fires]
        text = (
            f"Much rests on “{clause(conjunct.tree)}”: without it, {count} of {len(harmless)} harmless requests "
            "would fire the rule."
        )
        yield "one_guard", text, conjunct.path, cases[0], 0.0


_TELLERS: tuple[tuple[str, str, Callable[[Observed], Found]], ...] = (
    ("miss", "replay_missed", _misses_exploit),
    ("miss", "variants_missed", _misses_variant),
    ("miss", "choice_worst", _loses_choice),
    ("miss", "named_lost", _misses_named),
    ("miss", "wanted_from_attack", _copied),
    ("miss", "wanted_standins", _made_up),
    ("miss", "exact_values", _exact),
    ("miss", "idle_conditions", _idle),
    ("miss", "raw_reads", _raw),
    ("miss", "path_whole", _fixed_path),
    ("miss", "published", _published),
    ("miss", "listed", _listed),
    ("miss", "conditions", _many),
    ("off_target", "neutral_hit", _neutral),
    ("off_target", "near_hit", _near),
    ("off_target", "steps_hit", _steps),
    ("off_target", "benign_hit", _traffic),
    ("off_target", "strangers_hit", _strangers),
    ("off_target", "tell_read", _no_payload),
    ("off_target", "nameless", _shared_place),
    ("off_target", "no_endpoint", _nowhere),
    ("off_target", "surprise", _common),
    ("off_target", "guard", _one_guard),
)


# --- in favour --------------------------------------------------------------------------------------------------------


def _choices_held(groups: Sequence[Sequence[Asked]]) -> str:
    notes = list(dict.fromkeys(group[0].case.note for group in groups))
    named = "; ".join(notes[:NOTES_MOST]) + ("; …" if len(notes) > NOTES_MOST else "")
    return f"It still fires where the attacker chooses otherwise: {named}."


def not_varied(observed: Observed) -> Iterator[Reason]:
    """Say which wanted texts no variant changed: that all variants are hit says nothing of them."""
    at = unvaried(observed)
    clauses = list(dict.fromkeys(f"“{clause(observed.conjuncts[number].tree)}”" for number in at))
    if clauses:
        more = f" and {len(clauses) - EACH_MOST} more" if len(clauses) > EACH_MOST else ""
        text = f"No variant changed what {', '.join(clauses[:EACH_MOST])}{more} asks for: it is not known to be needed."
        yield Reason(code="not_varied", question="miss", text=text, condition=observed.conjuncts[at[0]].path)


def _all(asked: Sequence[Asked], what: str) -> str:
    return f"all {len(asked)} {what}s" if len(asked) > 1 else f"the one {what}"


def _in_favour(observed: Observed, contributions: Mapping[str, Mapping[str, float]]) -> Iterator[Reason]:
    variants, harmless = (*observed.variants, *observed.seen_variants), (*observed.near, *observed.seen_near)
    groups = list(chosen(observed).values())
    free = [one for group in groups for one in group]
    said = (
        ("miss", "variants_missed", variants, all(one.fires for one in variants),
         f"It hits {_all(variants, 'other spelling')} of the attack, as far as tried."),
        ("miss", "choices_lost", free, all(one.fires for one in free), _choices_held(groups)),
        ("off_target", "neutral_hit", observed.neutral, not any(one.fires for one in observed.neutral),
         f"It is silent on {_all(observed.neutral, 'exploit')} with the payload taken out."),
        ("off_target", "near_hit", harmless, not any(one.fires for one in harmless),
         f"It is silent on {_all(harmless, 'harmless look-alike')}."),
    )  # fmt: skip
    for question, feature, cases, holds, text in said:
        if cases and holds:
            weight = contributions.get("miss" if question == "miss" else "off", {}).get(feature, 0.0)
            yield Reason(
                code="speaks_for_it", question=question, text=text, feature=feature,  # type: ignore[arg-type]
                weight=round(min(weight, 0.0), 3),
            )  # fmt: skip


def unmeasured(features: Mapping[str, float | None], used: Sequence[str], question: str) -> Iterator[Reason]:
    """Say what could not be measured of what the model would use."""
    whys: dict[str, list[str]] = {}
    for name in used:
        if features.get(name) is None and FEATURES[name].absent:
            whys.setdefault(FEATURES[name].absent, []).append(name)
    for why, names in whys.items():
        yield Reason(
            code="not_measured", question=question, text=f"Not measured, because {why}.", feature=names[0],  # type: ignore[arg-type]
        )  # fmt: skip
