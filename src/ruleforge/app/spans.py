"""Which bytes of a request made a rule hold, from the explanation of its answer."""

from collections.abc import Iterator
from typing import Any

from ruleforge.engine.explain import Explanation, Seen, Step

MAX_SPANS = 50  # of one hit
MAX_TEXT = 200  # characters of one span
_SOME = "some element of "  # how an explanation labels a `some`


def matched_spans(explanation: Explanation) -> list[dict[str, Any]]:
    r"""List what the true conditions of a rule matched; empty when the rule does not hold.

    Each is `{"field", "name", "part", "start", "end", "text"}`. `part` is "target", "body", "method", "version" or
    "headers[2]", and `start:end` counts bytes there; where the bytes cannot be found in the request as sent (they
    were decoded first, or occur twice), `part` is "value" and the numbers count bytes of the decoded value of
    `field`. Bytes that are no UTF-8 are written as `\xff` in `text`.
    """
    spans: list[dict[str, Any]] = []
    for span in _spans(explanation.root, ""):
        if span not in spans:
            spans.append(span)
        if len(spans) == MAX_SPANS:
            break
    return spans


def _spans(step: Step, place: str) -> Iterator[dict[str, Any]]:
    """What is true beneath a `not` is true because nothing matched: there is nothing to show."""
    if step.answer is not True or step.label == "not":
        return
    if step.label.startswith(_SOME):
        place = step.label[len(_SOME) :].partition(" ")[0]
        yield from _of_element([span for part in step.parts for span in _spans(part, place)], place)
    elif step.parts:
        for part in step.parts:
            yield from _spans(part, place)
    else:
        field = step.label.partition(" ")[0]
        for seen in step.seen:
            if seen.satisfies and seen.span is not None:
                yield _span(f"{place}.{field}" if place else field, seen)


def _of_element(spans: list[dict[str, Any]], place: str) -> list[dict[str, Any]]:
    """Keep one span of the element a `some` is about: its name says little, and each span carries it anyway."""
    of_value = [span for span in spans if span["field"] == f"{place}.value"]
    return [of_value[0] | {"field": place}] if of_value else spans[-1:]


def _span(field: str, seen: Seen) -> dict[str, Any]:
    assert seen.span is not None
    text = seen.value[seen.span.start : seen.span.end].decode("utf-8", "backslashreplace")[:MAX_TEXT]
    spot = seen.spot
    part, start, end = (spot.part, spot.start, spot.end) if spot else ("value", seen.span.start, seen.span.end)
    name = seen.name.decode("utf-8", "backslashreplace")[:MAX_TEXT]
    return {"field": field, "name": name, "part": part, "start": start, "end": end, "text": text}
