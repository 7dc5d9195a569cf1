"""Match batches of requests with kernels: candidates by literals, then the reference evaluator for those."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ruleforge.engine.batches import Matches
from ruleforge.engine.fast.build import make_tables
from ruleforge.engine.fast.fields import MOST_FIELDS, RAW_ROOM
from ruleforge.engine.fast.fold import MAX_ELEMENTS
from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.json_fold import MAX_DEPTH, MAX_POINTER
from ruleforge.engine.fast.kernels import match_rows, match_texts
from ruleforge.engine.fast.layout import TEXTS, ZONES_OF_TEXT, Bytes, Fields, Ints, Longs, Scratch, Tables
from ruleforge.engine.fast.leaves import only_header
from ruleforge.engine.fast.rows import Rows
from ruleforge.engine.rarity import Rarity, background_rarity
from ruleforge.engine.reference import Ask, SharedView, compile_rule
from ruleforge.engine.zones import READERS, ZoneText
from ruleforge.events.columns import UNRECORDED_BITS
from ruleforge.events.places import HttpView
from ruleforge.rules.tree import Rule

_TEXT_ROOM = 1 << 26  # bytes of folded text, mostly never touched; a row that may need more is left to the parsers
_LOWER_ROOM = 1 << 23  # bytes of a path
_KEPT_COOKIES = 1 << 15
_KEPT_RULES = 1 << 17  # that header fields are found for
_MAX_SEGMENTS = 1_024  # of a path; who has more is left to the parsers
_PAIRS = 1 << 15  # candidates that are gathered before they are verified
_FEW_ROWS = 256  # that a bound cut off, before tables for them are worth making
_KEPT_ANSWERS = 1 << 14  # about values of a header ...
_KEPT_BYTES = 1_024  # ... that are no longer than this together
_MAX_PLANS = 64  # one per kind of gaps that was met; sources have a handful
_UNRECORDED = tuple(
    frozenset(place for place, bit in UNRECORDED_BITS.items() if bits & bit)
    for bits in range(2 ** len(UNRECORDED_BITS))
)


class Work(NamedTuple):
    """What the last batch cost, beside `Matches.verified`."""

    rows: int
    doubtful: int  # of them, rows that the parsers had to fold


class FastMatcher:
    """A set of rules that answers for whole batches, with exactly the answers of the reference evaluator."""

    def __init__(
        self, rules: Sequence[Rule], *, rarity: Rarity | None = None, tables: Mapping[Gaps, Tables] | None = None
    ) -> None:
        """Compile `rules`.

        Args:
            rules: rules over `http.request` that ask about one request.
            rarity: how often benign requests hold a literal; by default what the background table that ships says.
            tables: what was compiled of these very rules before. Then no rule is looked at before it is needed.

        Raises:
            RuleError: RF330 a rule counts or orders events.
        """
        self.rules = rules
        self._asks: list[Ask | None] = [None] * len(rules)
        self._rarity = rarity
        self._tables = dict(tables or {})
        self._headers: dict[int, bytes | None] = {}
        self._answers: dict[tuple[int, tuple[bytes, ...]], bool | None] = {}
        self._few: dict[Gaps, int] = {}
        self.work = Work(0, 0)

    def match(self, batch: pa.RecordBatch) -> Matches:
        """Return every (row, rule) of the batch that holds, and how often each rule could not be decided."""
        rows = Rows(batch)
        found = _Found(len(self.rules))
        self.work = Work(batch.num_rows, 0)
        for bits in np.unique(rows.bits):
            chosen = np.flatnonzero(rows.bits == bits).astype(np.int32)
            unrecorded = _UNRECORDED[bits]
            recorded = None if "headers" in unrecorded else rows.recorded_headers
            gaps = Gaps(unrecorded - {"version"}, recorded)
            doubtful = self._match_rows(rows, chosen, gaps, int(bits), found)
            if len(doubtful):
                self._match_doubtful(rows, doubtful, gaps, found)
        return found.matches()

    def _match_rows(self, rows: Rows, chosen: Ints, gaps: Gaps, bits: int, found: "_Found") -> Ints:
        """Match rows with the same gaps; return those that only the parsers can fold."""
        tables = self._plan(gaps)
        work, pointer = make_scratch(tables), np.zeros(2 * MAX_POINTER + 1_024, np.uint8)
        pairs = np.empty((_PAIRS + len(self.rules), 4), np.int32)
        left: list[Ints] = []
        done = 0
        while done < len(chosen):
            doubtful = np.empty(len(chosen), np.int32)
            start = done
            done, count, doubts = match_rows(
                rows.columns, chosen, start, bits, tables, work, pointer, pairs, found.unknowns, doubtful
            )
            left.append(doubtful[:doubts])
            found.assume(tables, done - start - doubts)
            self._verify(pairs[:count], rows, {}, found)
        return np.concatenate(left) if left else chosen

    def _match_doubtful(self, rows: Rows, chosen: Ints, gaps: Gaps, found: "_Found") -> None:
        """Match rows with the texts that the evaluator's own readings make."""
        groups: dict[Gaps, list[tuple[int, HttpView]]] = {}
        for row in chosen.tolist():
            view = SharedView(rows.request(row))
            cut = frozenset(zone for zone, read in READERS.items() if not read(view).complete) - gaps.zones
            groups.setdefault(gaps._replace(bounded=cut), []).append((row, view))
        self.work = self.work._replace(doubtful=self.work.doubtful + len(chosen))
        for known, group in groups.items():
            if self._is_worth_a_plan(known, len(group)):
                self._match_texts(rows, group, self._plan(known), found)
            else:
                self._ask_all(group, found)

    def _is_worth_a_plan(self, gaps: Gaps, rows: int) -> bool:
        """Say whether there were enough rows with these gaps; rows that a bound cut off are rare, and of many kinds."""
        if gaps in self._tables or not gaps.bounded:
            return True
        if len(self._few) >= _MAX_PLANS:
            self._few.clear()
        self._few[gaps] = self._few.get(gaps, 0) + rows
        return self._few[gaps] > _FEW_ROWS

    def _ask_all(self, group: list[tuple[int, HttpView]], found: "_Found") -> None:
        """Ask the evaluator about every rule."""
        for row, view in group:
            found.take(row, ((rule, self._ask(rule)(view)) for rule in range(len(self._asks))))
            found.verified += len(self._asks)

    def _match_texts(self, rows: Rows, group: list[tuple[int, HttpView]], tables: Tables, found: "_Found") -> None:
        chosen = np.array([row for row, _ in group], np.int32)
        text, begin, end = _texts([view for _, view in group], tables)
        work = make_scratch(tables)._replace(text=text)
        pairs = np.empty((_PAIRS + len(self.rules), 4), np.int32)
        done = 0
        while done < len(chosen):
            start = done
            done, count = match_texts(chosen, start, begin, end, tables, work, pairs, found.unknowns)
            found.assume(tables, done - start)
            self._verify(pairs[:count], rows, dict(group), found)

    def _plan(self, gaps: Gaps) -> Tables:
        tables = self._tables.get(gaps)
        if tables is None:
            if len(self._tables) >= _MAX_PLANS:
                self._tables.clear()
            if self._rarity is None:
                self._rarity = background_rarity()
            tables = self._tables[gaps] = make_tables(self.rules, gaps, self._rarity)
        return tables

    def _ask(self, rule: int) -> Ask:
        """Return the evaluator of a rule, which is compiled when it is first needed."""
        ask = self._asks[rule]
        if ask is None:
            ask = self._asks[rule] = compile_rule(self.rules[rule]).ask
        return ask

    def _header(self, rule: int) -> bytes | None:
        """Return the header that alone decides a rule, if there is one."""
        if rule not in self._headers:
            self._headers[rule] = only_header(self.rules[rule])
        return self._headers[rule]

    def _answer_by_header(self, rule: int, name: bytes, rows: Rows, row: int) -> bool | None:
        """Ask the evaluator about values of a header once: traffic repeats them."""
        values = rows.header_values(row, name)
        key = (rule, values)
        if key in self._answers:
            return self._answers[key]
        answer = self._ask(rule)(HttpView(rows.request(row)))
        if sum(map(len, values)) <= _KEPT_BYTES:
            if len(self._answers) >= _KEPT_ANSWERS:
                self._answers.clear()
            self._answers[key] = answer
        return answer

    def _verify(self, pairs: Ints, rows: Rows, views: Mapping[int, HttpView], found: "_Found") -> None:
        """Ask the evaluator about every candidate."""
        holds = pairs[:, 2] == 1
        found.rows += pairs[holds, 0].tolist()
        found.rules += pairs[holds, 1].tolist()
        alone = ~holds & (pairs[:, 3] >= 0)
        if alone.any():
            self._ask_fields(pairs[alone], rows, found)
        view: HttpView | None = None
        last = -1
        for row, rule, _, _ in pairs[~holds & ~alone].tolist():
            name = self._header(rule)
            if name is not None and rows.knows_headers(row):
                found.take(row, ((rule, self._answer_by_header(rule, name, rows, row)),))
                found.verified += 1
                continue
            if row != last or view is None:
                last, view = row, views.get(row) or SharedView(rows.request(row))
            found.take(row, ((rule, self._ask(rule)(view)),))
            found.verified += 1

    def _ask_fields(self, pairs: Ints, rows: Rows, found: "_Found") -> None:
        """Ask the evaluator about rules that one header field decides, once for all rows that have the same field."""
        keys = pairs[:, 1].astype(np.int64) << 32 | pairs[:, 3]
        _, first, same = np.unique(keys, return_index=True, return_inverse=True)
        asked = [
            self._answer_by_header(rule, self._header(rule) or b"", rows, row)
            for row, rule in pairs[first, :2].tolist()
        ]
        answers = np.array([-1 if answer is None else int(answer) for answer in asked], np.int8)[same.ravel()]
        found.rows += pairs[answers == 1, 0].tolist()
        found.rules += pairs[answers == 1, 1].tolist()
        np.add.at(found.unknowns, pairs[answers < 0, 1], 1)
        found.verified += len(asked)


class _Found:
    """What is known of a batch so far."""

    def __init__(self, rules: int) -> None:
        self.rows: list[int] = []
        self.rules: list[int] = []
        self.unknowns = np.zeros(rules, np.int64)
        self.verified = 0

    def assume(self, tables: Tables, rows: int) -> None:
        """Count the rules that are unknown for every row but those that a kernel took back."""
        self.unknowns += tables.unless_found.astype(np.int64) * rows

    def take(self, row: int, answers: Iterable[tuple[int, bool | None]]) -> None:
        """Take the answers of the evaluator about one row."""
        for rule, answer in answers:
            if answer:
                self.rows.append(row)
                self.rules.append(rule)
            elif answer is None:
                self.unknowns[rule] += 1

    def matches(self) -> Matches:
        """Return all of it in order."""
        rows, rules = np.array(self.rows, np.int32), np.array(self.rules, np.int32)
        order = np.lexsort((rules, rows))
        return Matches(rows[order], rules[order], self.unknowns, self.verified)


def make_scratch(tables: Tables, room: int = _TEXT_ROOM) -> Scratch:
    """Return room for one call of a kernel; all marks are fresh."""
    texts = len(TEXTS)
    longest = int(np.diff(tables.program_at).max(initial=0))
    return Scratch(
        text=np.empty(room, np.uint8),
        begin=np.zeros(texts, np.int64),
        end=np.zeros(texts, np.int64),
        wild=np.zeros(texts, np.uint8),
        element_bytes=np.zeros(256, np.uint8),
        literal_seen=np.zeros(len(tables.literal_text), np.int32),
        rule_seen=np.zeros(len(tables.unless_found), np.int32),
        clause_seen=np.zeros(len(tables.clause_at) - 1, np.int32),
        present=np.zeros((texts, 256), np.uint8),
        present_seen=np.zeros(texts, np.int32),
        steps=np.zeros(max(3 * (MAX_DEPTH + 1), _MAX_SEGMENTS), np.int64),
        elements=np.zeros(3 * (MAX_ELEMENTS + 1), np.int64),
        first_element=np.zeros(texts, np.int64),
        last_element=np.zeros(texts, np.int64),
        path=np.zeros(7, np.int64),
        leaf_seen=np.zeros(len(tables.leaf_kind), np.int32),
        lower=np.empty(_LOWER_ROOM, np.uint8),
        answers=np.zeros(max(1, longest), np.int64),
        fields=_make_fields(len(tables.unless_found)),
    )


def _make_fields(rules: int) -> Fields:
    return Fields(
        counts=np.zeros(6, np.int64),
        slots=np.zeros(4 * MOST_FIELDS, np.int32),
        hashes=np.zeros(MOST_FIELDS, np.int64),
        raw_at=np.zeros(MOST_FIELDS + 1, np.int64),
        raw_value=np.zeros(MOST_FIELDS, np.int64),
        raw=np.empty(RAW_ROOM, np.uint8),
        element=np.zeros(3 * MOST_FIELDS, np.int64),
        signs=np.zeros(MOST_FIELDS, np.int32),
        cookie_at=np.zeros(MOST_FIELDS + 1, np.int32),
        cookies=np.empty(3 * _KEPT_COOKIES, np.int64),
        rule_at=np.zeros(MOST_FIELDS + 1, np.int32),
        rules=np.empty(_KEPT_RULES + rules, np.int32),
        row=np.zeros(MAX_ELEMENTS + 2, np.int32),
        made=np.zeros(3 * (MAX_ELEMENTS + 1), np.int64),
    )


def _texts(views: Sequence[HttpView], tables: Tables) -> tuple[Bytes, Longs, Longs]:
    """Lay the texts of several requests end to end; begin and end are (requests, texts)."""
    begin = np.zeros((len(views), len(TEXTS)), np.int64)
    end = np.zeros_like(begin)
    parts: list[bytes] = []
    at = 0
    for index, view in enumerate(views):
        for text, zones in enumerate(ZONES_OF_TEXT):
            begin[index, text] = at
            for zone in zones if tables.folded[text] else ():
                made: ZoneText = READERS[zone](view)
                parts.append(made.text)
                at += len(made.text)
            end[index, text] = at
    return np.frombuffer(bytearray(b"".join(parts) + b"\x00"), np.uint8), begin, end
