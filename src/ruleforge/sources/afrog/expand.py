"""Every concrete request a PoC sends: rules in the order of its expression, variables and payload rows filled in."""

from collections.abc import Iterator

import msgspec

from ruleforge.errors import InputError
from ruleforge.sources.afrog.checks import called_rules, flatten_checks
from ruleforge.sources.afrog.document import Poc, Rule
from ruleforge.sources.afrog.values import Variables
from ruleforge.sources.found import Findings, FoundRequest
from ruleforge.sources.nuclei.expand import payload_rows
from ruleforge.sources.nuclei.raw_request import Draft, Filler, draft_of_path, draft_of_raw
from ruleforge.sources.nuclei.template import HttpBlock

MAX_ROWS = 64  # sets of variables
MAX_VALUES = 2_000  # variables of all sets together
MAX_REQUESTS = 1_000
MAX_TOTAL_BYTES = 16 * 1024 * 1024
_HTTP = frozenset({"http", "https", ""})


def expand_poc(poc: Poc) -> Findings:
    """Work out the requests of `poc`, with stand-ins for what only a real run knows.

    Alternatives of the expression (`||`) become blocks; what must hold together (`&&`) becomes the steps of one block.
    """
    return _Expander(poc).run()


class _Expander:
    """One PoC's expansion, with its budget."""

    def __init__(self, poc: Poc) -> None:
        self.poc = poc
        self.problems = list(poc.problems)
        self.found: list[FoundRequest] = []
        self.bytes_left = MAX_TOTAL_BYTES
        self.rules = {rule.name: rule for rule in poc.rules}

    def run(self) -> Findings:
        """All rows of variables, all rules."""
        alternatives = called_rules(self.poc.expression, tuple(self.rules)) or [list(self.rules)]
        unused = [name for name in self.rules if not any(name in names for names in alternatives)]
        if unused:
            self.problems.append(f"rules that the expression does not use are left out: {', '.join(unused[:10])}"[:500])
        rows = self.poc.rows or ((),)
        most = min(MAX_ROWS, max(1, MAX_VALUES // (len(self.poc.variables) + len(rows[0]) + 1)))
        if len(rows) > most:
            self.problems.append(f"only {most} of {len(rows)} sets of variables are used")
        for row in rows[:most]:
            self._row(alternatives, row)
        return self._findings()

    def _row(self, alternatives: list[list[str]], row: tuple[tuple[str, str], ...]) -> None:
        variables = self._variables(row)
        for block, names in enumerate(alternatives):
            for step, name in enumerate(names):
                for sent in self._rule(self.rules[name], variables):
                    if len(self.found) >= MAX_REQUESTS or self.bytes_left < 0:
                        self.problems.append(f"more than {MAX_REQUESTS} requests, the rest is left out")
                        return
                    placed = msgspec.structs.replace(sent, block=block, step=step)
                    self.bytes_left -= len(sent.request.target) + len(sent.request.body or b"") + 1_000
                    if not any(_same(placed, each) for each in self.found[-MAX_ROWS:]):
                        self.found.append(placed)

    def _variables(self, row: tuple[tuple[str, str], ...]) -> Variables:
        variables = Variables()
        for name, text in (*self.poc.variables, *row):
            variables.set(name, text)
        return variables

    def _rule(self, rule: Rule, variables: Variables) -> Iterator[FoundRequest]:
        """The requests of one rule; then its outputs are known to later rules."""
        if rule.protocol not in _HTTP:
            self.problems.append(f"rules.{rule.name}: {rule.protocol[:20]} is no HTTP and is left out")
            return
        block = HttpBlock(
            method=rule.method,
            headers=rule.headers,
            body=rule.body,
            payloads=rule.payloads,
            attack=rule.payload_mode,
            redirects=rule.redirects,
        )
        checks = (*flatten_checks(rule.expression, variables), *(f"extractor-internal:{name}" for name in rule.output))
        for row in payload_rows(block)[0]:
            variables.put(row)
            for draft in self._drafts(rule, block, variables):
                yield _finished(rule, draft, checks, tuple(variables.notes))
        variables.expect(list(rule.output))

    def _drafts(self, rule: Rule, block: HttpBlock, variables: Variables) -> Iterator[Draft]:
        texts = [rule.raw] if rule.raw else list(rule.paths)
        if not texts:
            self.problems.append(f"rules.{rule.name}: it has neither path nor raw request, left out")
        for text in texts:
            variables.notes = []
            try:
                draft = _draft(block, text, variables, is_raw=bool(rule.raw))
            except InputError as error:
                self.problems.append(f"rules.{rule.name}: {error.what}")
                continue
            if draft is not None:
                yield draft

    def _findings(self) -> Findings:
        poc = self.poc
        return Findings(
            requests=tuple(self.found),
            problems=tuple(self.problems),
            id=poc.id,
            cves=(*poc.cves, poc.id, poc.title),
            title=poc.title,
            description=poc.description,
            cwes=poc.cwes,
            tags=poc.tags,
            severity=poc.severity,
            references=poc.references,
            author=poc.author,
        )


def _draft(block: HttpBlock, text: str, variables: Filler, *, is_raw: bool) -> Draft | None:
    return draft_of_raw(block, text, variables) if is_raw else draft_of_path(block, text.strip(), variables)


def _finished(rule: Rule, draft: Draft, checks: tuple[str, ...], notes: tuple[str, ...]) -> FoundRequest:
    return FoundRequest(
        request=msgspec.structs.replace(draft.request(), source="afrog"),
        origin=f"rules.{rule.name}",
        standins=draft.standins(),
        matchers=checks,
        notes=(*draft.notes, *notes),
    )


def _same(one: FoundRequest, other: FoundRequest) -> bool:
    return one.request == other.request and (one.block, one.step) == (other.block, other.step)
