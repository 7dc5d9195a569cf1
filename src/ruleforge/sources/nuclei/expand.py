"""Every concrete request a template sends: paths, raw requests and payload rows multiplied out."""

import math
import re
from collections.abc import Iterator, Mapping

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.request import Request
from ruleforge.sources.nuclei.expressions import Scope
from ruleforge.sources.nuclei.raw_request import Draft, draft_of_path, draft_of_raw
from ruleforge.sources.nuclei.template import HttpBlock, Template

MAX_ROWS = 64  # payload rows of one block
MAX_REQUESTS = 2_000  # of one template
MAX_TOTAL_BYTES = 16 * 1024 * 1024  # of all requests of one template

# One block after the other, as without a flow: "http(1) && http(2)".
_PLAIN_FLOW = re.compile(r"http\(\d{1,3}\)(?:(?:\s*&&\s*|\s*;\s*|\s+)http\(\d{1,3}\))*\s*;?")
_FLOW_SET = re.compile(r"\bset\(\s*[\"'](\w{1,64})[\"']")


class SentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a scanner would send it, and where in the template it comes from."""

    request: Request
    origin: str  # "http[0].raw[1]"
    block: int
    step: int
    row: int
    standins: tuple[bytes, ...]
    notes: tuple[str, ...]


class Expansion(msgspec.Struct, frozen=True):
    """All requests of a template in the order they are sent, and what was left out."""

    requests: tuple[SentRequest, ...]
    problems: tuple[str, ...] = ()


def expand_template(template: Template) -> Expansion:
    """Work out the requests of `template`, with stand-ins for what only a real run knows.

    Payload lists of more than 64 rows are sampled evenly; scripts (`flow`) are not run: all blocks count, in order.
    """
    return _Expander(template).run()


def payload_rows(block: HttpBlock) -> tuple[list[Mapping[str, str]], int]:
    """The rows of the block's attack mode (at most 64, evenly spaced), and how many there would be."""
    lists = [(name, values) for name, values in block.payloads if values]
    if not lists:
        return [{}], 1
    sizes = [len(values) for _, values in lists]
    if block.attack == "pitchfork":
        total = min(sizes)
    else:
        total = math.prod(sizes) if block.attack == "clusterbomb" else sum(sizes)
    picked = range(total) if total <= MAX_ROWS else [number * total // MAX_ROWS for number in range(MAX_ROWS)]
    return [_row(lists, block.attack, number) for number in picked], total


def _row(lists: list[tuple[str, tuple[str, ...]]], attack: str, number: int) -> Mapping[str, str]:
    if attack == "pitchfork":
        return {name: values[number] for name, values in lists}
    row: dict[str, str] = {}
    if attack == "clusterbomb":
        for name, values in reversed(lists):
            number, position = divmod(number, len(values))
            row[name] = values[position]
        return row
    for name, values in lists:  # battering ram: one list after the other
        if number < len(values):
            return {name: values[number]}
        number -= len(values)
    return row


class _Expander:
    """One template's expansion, with its budget."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.problems: list[str] = []
        self.found: list[SentRequest] = []
        self.bytes_left = MAX_TOTAL_BYTES
        names = [extractor.name for block in template.blocks for extractor in block.extractors if extractor.name]
        payloads = [name for block in template.blocks for name, _ in (*block.payloads, *block.payload_files)]
        given_by_flow = _FLOW_SET.findall(template.flow[:100_000])
        self.scope = Scope(dict(template.variables), frozenset([*names, *payloads, *given_by_flow]))

    def run(self) -> Expansion:
        """All blocks in order."""
        self.problems.extend(self._template_notes())
        for number, block in enumerate(self.template.blocks):
            if not self._block(block, number):
                self.problems.append(
                    f"more than {MAX_REQUESTS} requests or {MAX_TOTAL_BYTES} bytes, the rest is left out"
                )
                break
        return Expansion(tuple(self.found), tuple(self.problems))

    def _template_notes(self) -> list[str]:
        notes = []
        if self.template.flow and not _PLAIN_FLOW.fullmatch(self.template.flow[:100_000].strip()):
            notes.append("flow: the script is not run, all blocks are kept in order")
        if self.template.self_contained or any(block.self_contained for block in self.template.blocks):
            notes.append("self-contained: the requests go to a fixed host, not to the target")
        return notes

    def _block(self, block: HttpBlock, number: int) -> bool:
        """Expand one block; False when the budget is used up."""
        rows, total = payload_rows(block)
        if total > len(rows):
            self.problems.append(f"http[{number}]: {len(rows)} of {total} payload rows are used, evenly spaced")
        if block.fuzzing:
            self.problems.append(f"http[{number}]: fuzzing rules need a recorded request and are left out")
        for step, (kind, place, text) in enumerate(_steps(block)):
            origin = f"http[{number}].{kind}[{place}]"
            for row_number, row in enumerate(rows):
                self.scope.use_row(row)
                sent = self._request(block, kind, text)
                if sent is None:
                    self.problems.append(f"{origin}: no request can be made of it, left out")
                    break
                if len(self.found) >= MAX_REQUESTS or self.bytes_left < 0:
                    return False
                self.found.append(self._finished(sent, origin, (number, step, row_number)))
                if not self.scope.used_row:
                    break  # the payloads are not in this request, so that every row would send the same
        return True

    def _request(self, block: HttpBlock, kind: str, text: str) -> Draft | None:
        self.scope.start(keep_unknown=block.skip_variables_check)
        try:
            make = draft_of_path if kind == "path" else draft_of_raw
            return make(block, text, self.scope)
        except InputError as error:
            self.problems.append(error.what)
            return None

    def _finished(self, draft: Draft, origin: str, place: tuple[int, int, int]) -> SentRequest:
        block, step, row = place
        request, standins = draft.request(), draft.standins()
        self.bytes_left -= len(request.target) + len(request.body or b"") + sum(len(v) for _, v in request.headers)
        self.bytes_left -= 1_000 * len(standins)  # each costs about as much work as a page of text
        notes = (*draft.notes, *self.scope.notes)
        return SentRequest(
            request=request,
            origin=origin,
            block=block,
            step=step,
            row=row,
            standins=standins,
            notes=notes,
        )


def _steps(block: HttpBlock) -> Iterator[tuple[str, int, str]]:
    """(kind, ordinal in its list, template text): paths first, as the scanner does, then raw requests."""
    for place, path in enumerate(block.paths):
        yield "path", place, path
    for place, raw in enumerate(block.raws):
        yield "raw", place, raw
