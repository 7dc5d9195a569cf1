"""What an agent can look up: rules, advisories, why a rule holds. Reading only; every answer is bounded text.

Who writes rules and who judges them see the rule and never what was thought of it: no reason of a judge, no rationale
of an author, no request of the JUDGE family.
"""

import re
import threading
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.app.rules import load_rules, read_evidence, rule_files
from ruleforge.app.tasks.candidates import proposals
from ruleforge.app.tasks.desk import Desk
from ruleforge.app.tasks.texts import checks_text, framed, payload_of
from ruleforge.cases.told import disclosure_text, request_text
from ruleforge.engine.cost import cost_finding
from ruleforge.engine.explain import explain
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.events.formats.raw_http import parse_raw_request
from ruleforge.events.kinds import HTTP
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.generate.compose import classes_used
from ruleforge.generate.llm_generate import tree_json
from ruleforge.llm.prompt import Part, particular, untrusted
from ruleforge.records.forging import CheckResult
from ruleforge.rules.classes import latest_version
from ruleforge.rules.document import MAX_BYTES
from ruleforge.rules.lint import lint
from ruleforge.rules.parse import Problem, load_rule, parse_rule, parse_tree
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Count, Rule, Sequence
from ruleforge.store.tasks import Agent

LISTED_MOST = 50  # rules of one answer
HITS_MOST = 50
RULES_MOST = 20_000  # of a folder that are asked about one request
REQUEST_MOST = 65_536  # characters
NAME_MOST = 200
REQUESTS_MOST = 30  # of an advisory
_TASK_ID = re.compile(r"[0-9a-f]{16}")
_PROPOSAL_ID = re.compile(r"RF-([A-Za-z0-9][A-Za-z0-9._-]{0,99})-p[0-9a-f]{8}")


class Rules:
    """The rules of a folder, loaded again when a file of them changes. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._rules: tuple[Rule, ...] = ()
        self._asks: dict[str, Ask] = {}

    def all(self) -> tuple[Rule, ...]:
        """Every rule with evidence that it passed, in order of their ids."""
        with self._lock:
            seen = tuple(self._stamps())
            if seen != self._seen:
                self._rules = load_rules(self._folder).rules[:RULES_MOST] if self._folder.is_dir() else ()
                self._seen, self._asks = seen, {}
            return self._rules

    def hits(self, request: Request) -> list[tuple[Rule, bool | None]]:
        """Rules about single requests that hold, or that cannot tell."""
        view = HttpView(request)
        found: list[tuple[Rule, bool | None]] = []
        for rule in self.all():
            if rule.event != HTTP or isinstance(rule.when, Count | Sequence):
                continue
            with self._lock:
                ask = self._asks.setdefault(rule.id, compile_rule(rule).ask)
            if (answer := ask(view)) is not False:
                found.append((rule, answer))
        return found

    def one(self, name: str) -> Rule:
        """The rule with this id, or of the folder or CVE with this name.

        Raises:
            UsageError: there is none, or there are several (RF152).
        """
        rules = self.all()
        found = [r for r in rules if r.id == name] or [r for r in rules if name.upper() in map(str.upper, r.cves)]
        if len(found) != 1:
            what = f"{len(found)} rules are named {name[:60]!r}" if found else f"no rule {name[:60]!r}"
            raise UsageError(what, hint="see: list_rules", code="RF152")
        return found[0]

    def _stamps(self) -> list[tuple[str, int, int]]:
        if not self._folder.is_dir():
            return []
        return [(str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in rule_files(self._folder)]


class Look:
    """The look-ups of one desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.rules = Rules(desk.rules)

    def get_rule(self, name: str, agent: Agent) -> str:
        """One rule as a sentence and as its tree. Helpers of reviewers see its checks, too.

        Raises:
            UsageError: there is none, or there are several (RF152).
        """
        rule, checks = self._rule(_name(name))
        head = {"id": rule.id, "event": rule.event, "cves": list(rule.cves[:20]), "severity": rule.severity}
        lines = "\n".join(
            f"{key}: {', '.join(value) if isinstance(value, list) else value}" for key, value in head.items()
        )
        parts: list[Part] = [untrusted("head", lines), untrusted("sentence", render_sentence(rule))]
        parts.append(untrusted("when", tree_json(rule)))
        if agent.role == "review_help" and checks:
            parts.append(untrusted("checks", checks_text(checks)))
        return self._framed("A rule.", *parts)

    def get_advisory(self, name: str) -> str:
        """What was disclosed, with its requests and the role of each.

        Raises:
            UsageError: no task is about it (RF157).
        """
        wanted = _name(name)
        known = {folder.upper(): folder for folder in self.desk.advisories()}
        advisory = self.desk.advisory(known.get(wanted.upper(), wanted))
        said = [f"{n}: {poc.role} ({poc.reason})"[:300] for n, poc in enumerate(advisory.requests[:REQUESTS_MOST], 1)]
        parts: list[Part] = [untrusted("disclosure", disclosure_text(advisory)), untrusted("roles", "\n".join(said))]
        for number, poc in enumerate(advisory.requests[:REQUESTS_MOST], 1):
            parts.append(untrusted(f"request {number}", request_text(poc.request)))
        more = len(advisory.requests) - REQUESTS_MOST
        return self._framed(f"An advisory.{f' {more} more requests are not shown.' if more > 0 else ''}", *parts)

    def list_rules(self, query: str, limit: int) -> str:
        """Rules whose id, CVE or title holds the words of `query`, at most 50."""
        words = _name(query, empty=True).lower().split()
        limit = min(max(limit, 1), LISTED_MOST)
        found = [rule for rule in self.rules.all() if all(word in _said(rule).lower() for word in words)]
        rows = "\n".join(f"{rule.id}  {', '.join(rule.cves[:3])}  {rule.title[:120]}" for rule in found[:limit])
        count = f"{len(found)} rules found, {min(len(found), limit)} shown."
        return self._framed(count, *((untrusted("rules", rows),) if rows else ()))

    def scan_request(self, text: str) -> str:
        """Which rules of the folder hold for a request, and which cannot tell.

        Raises:
            InputError: it is no request (RF277).
        """
        found = self.rules.hits(_request(text))
        hits = [rule for rule, answer in found if answer is True]
        unknown = len(found) - len(hits)
        rows = "\n".join(f"{rule.id}  {rule.title[:120]}" for rule in hits[:HITS_MOST])
        told = f"{len(hits)} of {len(self.rules.all())} rules hold for it; {unknown} cannot tell."
        return self._framed(told, *((untrusted("rules that hold", rows),) if rows else ()))

    def explain(self, name: str, text: str) -> str:
        """Why a rule holds for a request, or does not.

        Raises:
            UsageError: no such rule (RF152).
            InputError: it is no request (RF277).
            RuleError: the rule counts events (RF330), or is about others (RF332).
        """
        found = explain(self._rule(_name(name))[0], _request(text))
        return self._framed("The answer of a rule, condition by condition.", untrusted("explanation", found.to_text()))

    def lint(self, document: dict[str, Any]) -> str:
        """What is wrong with a rule document, or with a tree by itself: what does not load, and well-founded doubts.

        Raises:
            InputError: it is too large (RF278).
        """
        payload_of(document, MAX_BYTES)
        problems = _problems(document)
        if not problems:
            return "It loads, and there is nothing to say against it. It was not tried on any request."
        errors = sum(problem.severity == "error" for problem in problems)
        told = f"{errors} errors and {len(problems) - errors} warnings."
        rows = "\n".join(f"{problem.severity}: {problem}"[:500] for problem in problems[:LISTED_MOST])
        return self._framed(told, untrusted("problems", rows))

    def _rule(self, name: str) -> tuple[Rule, tuple[CheckResult, ...]]:
        """A rule with its checks: that of a task by the task's id, a proposal by its own, or one of the folder."""
        if _TASK_ID.fullmatch(name):
            task = self.desk.store.task(name)
            if task.rule:
                rule = load_rule(task.rule.encode(), source=name).require()
                return msgspec.structs.replace(rule, id=name), ()  # its own id says who wrote it
        if (found := _PROPOSAL_ID.fullmatch(name)) is not None:
            for file in proposals(self.desk.rules, found[1]):
                proposed = load_rule(file).rule
                if proposed is not None and proposed.id == name:
                    return proposed, _checks_of(file.with_name(f"{file.stem}.evidence.json"))
        rule = self.rules.one(name)
        folder = rule.id.removeprefix("RF-").rpartition("-")[0]  # as forging names its rules
        evidence = read_evidence(self.desk.rules / folder) if folder.strip(".") else {}
        return rule, _read_checks(evidence) if evidence.get("rule") == rule.id else ()

    def _framed(self, said: str, *parts: Part) -> str:
        return framed((particular(said), *parts), self.desk.frame_key)


def _name(text: str, *, empty: bool = False) -> str:
    if len(text) > NAME_MOST or (not text.strip() and not empty):
        raise UsageError(f"a name has 1 to {NAME_MOST} characters", hint="see: list_rules", code="RF152")
    return text.strip()


def _request(text: str) -> Request:
    if not text.strip() or len(text) > REQUEST_MOST:
        what = f"a request has 1 to {REQUEST_MOST:,} characters"
        raise InputError(what, where="request", hint="write it as text, 'GET /path HTTP/1.1' and headers", code="RF277")
    request = parse_raw_request(text.encode("utf-8", "surrogatepass"), request_id="request")
    if not request.method or not request.target:
        hint = "the first line is like 'GET /path?a=b HTTP/1.1', then headers, an empty line, the body"
        raise InputError("this is not the text of a request", where="request", hint=hint, code="RF277")
    return request


def _said(rule: Rule) -> str:
    return " ".join((rule.id, *rule.cves, rule.title))


def _problems(document: dict[str, Any]) -> list[Problem]:
    if "when" in document:
        parsed = parse_rule(document, source="rule")
        return _of_rule(parsed.rule, parsed.problems)
    tree, problems = parse_tree(document)
    if tree is None:
        return list(problems)
    classes = tuple((name, latest_version(name)) for name in sorted(set(classes_used(tree))))
    return _of_rule(Rule(id="RF-LINT-1", when=tree, classes=classes), problems)


def _of_rule(rule: Rule | None, problems: tuple[Problem, ...]) -> list[Problem]:
    found: list[Problem] = list(problems)
    if rule is not None:
        found += lint(rule)
        costly = cost_finding(rule)
        found += [costly] if costly is not None else []
    return list(dict.fromkeys(found))


def _checks_of(file: Path) -> tuple[CheckResult, ...]:
    try:
        return _read_checks(msgspec.json.decode(file.read_bytes(), type=dict[str, Any]))
    except (OSError, msgspec.MsgspecError):
        return ()


def _read_checks(evidence: dict[str, Any]) -> tuple[CheckResult, ...]:
    try:
        return msgspec.convert(evidence.get("checks", ()), tuple[CheckResult, ...])
    except (msgspec.ValidationError, RuleForgeError):
        return ()
