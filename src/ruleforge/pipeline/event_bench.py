"""The tools of the agent on one case: pure functions of what the case says, each with its own check of what is asked.

No tool approves, deploys, runs or fetches anything, and none writes a file. A tool refuses what does not fit (a
candidate that failed may not be finished, a question that is not open may not be asked), whoever calls it: a policy can
waste its steps and nothing else.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from ruleforge.background.ordinary_events import ordinary_events
from ruleforge.cases.event_variants import event_near_misses, event_variants, same_words
from ruleforge.engine.event_watch import ask_stream
from ruleforge.events.event import Event, EventView
from ruleforge.events.kinds import EVENTS, HTTP
from ruleforge.generate.event_draft import EventDraft, EventMaterial, compose_event_rule
from ruleforge.generate.event_facets import EventFacet
from ruleforge.generate.event_propose import EVENT_STRATEGIES, strategies_for
from ruleforge.generate.event_single import catalogue, of_facets
from ruleforge.pipeline.event_requests import REQUEST, forge_requests
from ruleforge.records.event_case import QUESTIONS, REASONS_TO_STOP, Choice, EventCase, Item
from ruleforge.records.forging import CheckResult, Trial
from ruleforge.rules.canonical import canonical_json, content_hash
from ruleforge.rules.dump import dump_tree
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule, conditions_of
from ruleforge.validate import gates
from ruleforge.validate.event_checks import Drafted, EventEvidence, check_event_rule, failing, survival, variants_asked

CANDIDATES_MOST = 40
SIMILAR_SHOWN = 3
KNOWN_MOST = 500  # rules that are compared
LOG_NEGATIVES = 5_000  # events of the user's logs that the generator sees; the gate sees all
COMPOSED_MOST = 6  # facets of a rule that a policy puts together
FEW_MALICIOUS, FEW_BENIGN = 2, 3


class Similar(msgspec.Struct, frozen=True):
    """A rule that asks alike."""

    rule: str
    alike: float  # share of conditions that both have, by field and question
    covers: bool  # it hits every example of the attack and none of ordinary use


class Contender(msgspec.Struct, kw_only=True):
    """A candidate, with what the tools found out about it so far."""

    id: str
    rule: Rule
    strategy: str
    draft: EventDraft | None = None  # None: made by the forge of requests
    forged: tuple[CheckResult, ...] = ()  # what the forge of requests checked; its checks stand for ours of that name
    trial: Trial | None = None
    similar: tuple[Similar, ...] | None = None

    @property
    def about(self) -> Drafted:
        """What the checks need to know of its making."""
        draft = self.draft
        if draft is None:
            return Drafted()
        return Drafted(bits=draft.bits, margin=draft.margin, is_indicator=draft.is_indicator)

    @property
    def passed(self) -> bool:
        """Whether it was tested and passed."""
        return self.trial is not None and self.trial.passed


class Bench:
    """One case with its candidates. The same calls in the same order give the same answers."""

    def __init__(self, case: EventCase, *, known: Sequence[Rule] = (), logs: Sequence[tuple[Item, ...]] = ()) -> None:
        """Make variants and near-misses of a case.

        Args:
            case: what to make a rule for.
            known: rules that are there already; those about other events do not matter.
            logs: ordinary use, each a stream that a rule must stay silent on.
        """
        self.case = case
        self.known = tuple(rule for rule in known if rule.event == case.event)[:KNOWN_MOST]
        kind, is_http = EVENTS[case.event], case.event == HTTP
        near = () if is_http else event_near_misses(case.malicious, kind)
        ordinary = () if is_http else ordinary_events(case.event)
        self.evidence = EventEvidence(
            malicious=case.malicious,
            benign=case.benign,
            variants=() if is_http else event_variants(case.malicious, kind),
            near_misses=near,
            ordinary=ordinary,
            logs=tuple(logs),
        )
        seen = [item for log in logs for item in log if isinstance(item, Event) and item.kind == case.event]
        self.material = (
            None
            if is_http
            else EventMaterial(
                case,
                near,
                (*ordinary, *seen[:LOG_NEGATIVES]),
                least_bits=gates.EVENT_SURPRISE_LEAST_BITS,
                least_margin=gates.EVENT_MARGIN_LEAST,
            )
        )
        self.strategies = (REQUEST,) if is_http else strategies_for(case)
        self.proposed: dict[str, str] = {}  # strategy → candidate, or "" where it has none
        self.contenders: dict[str, Contender] = {}
        self._facets: dict[str, EventFacet] = {}
        self.indistinguishable = self._same_example()

    # --- what is known -------------------------------------------------------------------------------------

    def facets(self) -> Mapping[str, EventFacet]:
        """Return all facets by their ids: of all examples together, and of the candidates."""
        if not self._facets and self.material is not None:
            self._facets = {facet.id: facet for facet in catalogue(self.material)}
        made = [c.draft.facets for c in self.contenders.values() if c.draft is not None]
        return self._facets | {facet.id: facet for facets in made for facet in facets}

    def open_questions(self, contender: Contender) -> tuple[str, ...]:
        """Return the questions that a person has to answer before this candidate may be finished."""
        draft, case, asked = contender.draft, self.case, []
        if draft is not None and draft.is_indicator:
            asked.append("indicator_only")
        if len(case.malicious) < FEW_MALICIOUS or len(case.benign) < FEW_BENIGN:
            asked.append("few_examples")
        if any(one.covers for one in contender.similar or ()):
            asked.append("duplicate")
        if draft is not None and draft.margin is not None and draft.margin < gates.EVENT_MARGIN_CLOSE:
            asked.append("close_count")
        return tuple(question for question in asked if case.answers.get(question) is not True)

    def declined(self, contender: Contender) -> bool:
        """Whether a person said no to an open question of a candidate."""
        return any(self.case.answers.get(question) is False for question in self.open_questions(contender))

    def reason_to_stop(self) -> str:
        """Return why there is no rule, once every strategy was tried; empty while there may be one."""
        if self.indistinguishable:
            return "indistinguishable"
        if any(strategy not in self.proposed for strategy in self.strategies):
            return ""
        if any(one.trial is None for one in self.contenders.values()):
            return ""
        passed = [one for one in self.contenders.values() if one.passed]
        if passed:
            return "declined" if all(map(self.declined, passed)) else ""
        if self.case.is_stream and not self.contenders and self._is_untimed():
            return "untimed"
        return "no_candidate_passed" if self.contenders else "no_candidate"

    def _failed(self) -> str:
        """Name the checks that candidates failed, the commonest first."""
        counts = Counter(check for one in self.contenders.values() if one.trial for check in failing(one.trial))
        return "failed: " + ", ".join(f"{check} {count}" for check, count in counts.most_common()) if counts else ""

    def _is_untimed(self) -> bool:
        items = [item for example in self.case.malicious for item in example.items]
        return any(isinstance(item, Event) and item.time_us is None for item in items)

    def _same_example(self) -> str:
        """Name an example of the attack that says what an ordinary one says; empty where there is none."""
        if self.case.event == HTTP:
            return ""
        kind = EVENTS[self.case.event]
        for one in self.case.malicious:
            for other in self.case.benign:
                if len(one.items) == len(other.items) == 1 and same_words(one, other, kind):
                    return f"{one.name} is {other.name}"
        return ""

    # --- tools ---------------------------------------------------------------------------------------------

    def call(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        """Call one tool; return whether it accepted, and its result as plain data."""
        return _TOOLS[choice.tool](self, choice)

    def _propose(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        if choice.strategy not in self.strategies:
            return _refused(f"no such strategy here; there are {', '.join(self.strategies)}")
        if choice.strategy in self.proposed:
            return _refused("this strategy was tried; refine its candidate, or try another")
        if self.indistinguishable:
            return _refused("an example of the attack says the same as one of ordinary use")
        if self.material is None:
            made = forge_requests(self.case)
            self.proposed[choice.strategy] = "" if made.rule is None else f"c{len(self.contenders) + 1}"
            if made.rule is None:
                return True, {"candidate": "", "why": made.why}
            result = self._add(made.rule, REQUEST, None)
            self.contenders[str(result["candidate"])].forged = made.results
            return True, result
        draft = EVENT_STRATEGIES[choice.strategy](self.material, frozenset())
        if draft is None:
            self.proposed[choice.strategy] = ""
            return True, {"candidate": "", "why": "nothing of this sort keeps attack and ordinary use apart"}
        result = self._add(compose_event_rule(draft, self.case), choice.strategy, draft)
        self.proposed[choice.strategy] = str(result["candidate"])
        return True, result

    def _compose(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        known = self.facets()
        unknown = [name for name in choice.facets if name not in known]
        if unknown or not 1 <= len(choice.facets) <= COMPOSED_MOST or self.material is None or self.case.is_stream:
            return _refused(f"a rule is put together of 1 to {COMPOSED_MOST} facets that are listed, for single events")
        draft = of_facets(self.material, [known[name] for name in dict.fromkeys(choice.facets)])
        return self._added(draft, "composed")

    def _refine(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        contender = self.contenders.get(choice.candidate)
        if contender is None or contender.draft is None or self.material is None:
            return _refused("no such candidate that could be refined")
        if contender.strategy not in EVENT_STRATEGIES:
            return _refused("a rule that was put together is not refined; put another one together")
        own = {facet.id for facet in contender.draft.facets}
        if not choice.facets or not set(choice.facets) <= own:
            return _refused("name facets of the candidate that are to be left out")
        draft = EVENT_STRATEGIES[contender.strategy](self.material, contender.draft.banned | set(choice.facets))
        if draft is None:
            return True, {"candidate": "", "why": "without it nothing keeps attack and ordinary use apart"}
        return self._added(draft, contender.strategy)

    def _added(self, draft: EventDraft, strategy: str) -> tuple[bool, dict[str, object]]:
        rule = compose_event_rule(draft, self.case)
        same = next((c.id for c in self.contenders.values() if content_hash(c.rule) == content_hash(rule)), "")
        if same:
            return _refused(f"this is {same}")
        if len(self.contenders) >= CANDIDATES_MOST:
            return _refused("there are too many candidates")
        return True, self._add(rule, strategy, draft)

    def _add(self, rule: Rule, strategy: str, draft: EventDraft | None) -> dict[str, object]:
        name = f"c{len(self.contenders) + 1}"
        self.contenders[name] = Contender(id=name, rule=rule, strategy=strategy, draft=draft)
        facets = [] if draft is None else [facet.id for facet in draft.facets]
        return {
            "candidate": name, "strategy": strategy, "sentence": render_sentence(rule), "facets": facets,
            "hash": content_hash(rule),
        }  # fmt: skip

    def _test(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        contender = self.contenders.get(choice.candidate)
        if contender is None:
            return _refused("no such candidate")
        trial = check_event_rule(contender.rule, self.evidence, contender.about)
        forged = {result.check for result in contender.forged}
        own = tuple(result for result in trial.results if result.check not in forged)
        contender.trial = Trial(rule_id=trial.rule_id, results=(*contender.forged, *own))
        checks = {
            result.check: {"passed": result.passed, "tried": result.tried, "failed": result.failed}
            for result in contender.trial.results
        }
        result = {"passed": contender.passed, "failing": list(failing(contender.trial)), "checks": checks}
        return True, result | {"survival": round(survival(contender.trial), 3), "blame": list(self._blame(contender))}

    def _blame(self, contender: Contender) -> tuple[str, ...]:
        """Name the facets that are false on variants which are missed, the worst first; nothing of shapes."""
        if contender.draft is None:
            return ()
        asked = variants_asked(self.evidence, contender.about)
        missed = [v for v in asked if ask_stream(contender.rule, v.example.items) is not True]
        false: dict[str, int] = {}
        for facet in contender.draft.facets:
            for varied in missed:
                views = [EventView(item) for item in varied.example.items if isinstance(item, Event)]
                if not any(facet.ask(view) is True for view in views):
                    false[facet.id] = false.get(facet.id, 0) + 1
        return tuple(sorted(false, key=lambda name: (-false[name], name)))

    def _similar(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        contender = self.contenders.get(choice.candidate)
        if contender is None:
            return _refused("no such candidate")
        return True, {"similar": [msgspec.to_builtins(one) for one in self.look_at_similar(contender)]}

    def look_at_similar(self, contender: Contender) -> tuple[Similar, ...]:
        """Compare a candidate with the rules that are there, once."""
        if contender.similar is None:
            own = _questions(contender.rule)
            found = []
            for rule in self.known:
                other = _questions(rule)
                alike = len(own & other) / len(own | other)
                covers = self._covers(rule)
                if alike > 0 or covers:
                    found.append(Similar(rule.id, round(alike, 2), covers))
            found.sort(key=lambda one: (not one.covers, -one.alike, one.rule))
            contender.similar = tuple(found[:SIMILAR_SHOWN])
        return contender.similar

    def _covers(self, rule: Rule) -> bool:
        if rule.id == f"RF-{self.case.id}"[:128]:
            return False  # the rule of this case, made earlier
        if any(ask_stream(rule, one.items) is not True for one in self.case.malicious):
            return False
        return not any(ask_stream(rule, one.items) is True for one in self.case.benign)

    def _escalate(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        contender = self.contenders.get(choice.candidate)
        if contender is None or not contender.passed:
            return _refused("only a candidate that passed every check is put to a person")
        self.look_at_similar(contender)
        if choice.question not in self.open_questions(contender):
            return _refused("this question is not open")
        if self.case.answers.get(choice.question) is False:
            return _refused("a person said no to it")
        return True, {"question": choice.question, "text": QUESTIONS[choice.question], "candidate": contender.id}

    def _give_up(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        reason = self.reason_to_stop()
        if not reason:
            left = [strategy for strategy in self.strategies if strategy not in self.proposed]
            return _refused("there may be a rule; not tried: " + (", ".join(left) or "candidates that are not tested"))
        if choice.reason != reason:
            return _refused(f"this is not why; it is {reason}")
        detail = self.indistinguishable or self._failed()
        return True, {"reason": reason, "text": REASONS_TO_STOP[reason], "detail": detail}

    def _finish(self, choice: Choice) -> tuple[bool, dict[str, object]]:
        contender = self.contenders.get(choice.candidate)
        if contender is None or not contender.passed:
            return _refused("only a candidate that was tested and passed every check is a rule")
        self.look_at_similar(contender)
        asked = self.open_questions(contender)
        if asked:
            return _refused("questions for a person are open: " + ", ".join(asked))
        return True, {"rule": contender.rule.id, "candidate": contender.id, "hash": content_hash(contender.rule)}


def digest_of(result: Mapping[str, object]) -> str:
    """Hash a result, so that a replay can be compared with what was."""
    return hashlib.sha256(msgspec.json.encode(result, order="sorted")).hexdigest()[:16]


def _refused(why: str) -> tuple[bool, dict[str, object]]:
    return False, {"refused": why}


def _questions(rule: Rule) -> set[bytes]:
    """What a rule asks: field with operator, and the whole conditions."""
    found = set()
    for condition in conditions_of(rule.when):
        found |= {f"{condition.field} {condition.op}".encode(), canonical_json(dump_tree(condition))}
    return found


_TOOLS: dict[str, Callable[[Bench, Choice], tuple[bool, dict[str, object]]]] = {
    "propose": Bench._propose,
    "compose": Bench._compose,
    "refine": Bench._refine,
    "test": Bench._test,
    "similar": Bench._similar,
    "escalate": Bench._escalate,
    "give_up": Bench._give_up,
    "finish": Bench._finish,
}
