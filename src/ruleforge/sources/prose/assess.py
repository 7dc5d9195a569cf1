"""Whether the facts of a document suffice for a rule, and if not, why: the early answer."""

import re
from collections.abc import Sequence

from ruleforge.records.facts import VERDICTS, Fact, Verdict
from ruleforge.sources.prose.weakness_words import NOT_HTTP, classes_of_weakness

# Names of parameters that half of all products have: alone, without a page, they tell nothing apart.
_COMMON_NAME = re.compile(
    r"\w{1,3}|page|type|name|action|search|query|file|path|user|username|password|email|"
    r"title|lang|sort|order|order_?by|value|data|content|text|tab"
    r"|section|view|mode|code|token|return|redirect|url|uri|next|goto|link|category|filter|"
    r"keyword|message|comment|body|date|date_?from|date_?to|filename"
    r"|host|hostname|cmd|command|option|callback|controller|module|format|field|column|"
    r"table|limit|offset|status|template|theme|post_?id|user_?id|item",
    re.IGNORECASE,
)
_TOLD_FILE = re.compile(
    r"\.(?:conf|ini|cfg|log|bak|sql|zip|env|yml|db|dat|txt|old|tar|gz|key|pem|htpasswd|passwd)$", re.IGNORECASE
)

Assessed = tuple[Verdict, str, tuple[str, ...]]


def usable_endpoints(facts: Sequence[Fact]) -> list[Fact]:
    """The endpoints that a request can be sent to: a mere source file counts only where a parameter belongs to it."""
    linked = {fact.about for fact in facts if fact.kind in ("parameter", "header", "cookie") and fact.about}
    found = [fact for fact in facts if fact.kind == "endpoint"]
    good = [fact for fact in found if fact.confidence != "possible" or fact.value in linked]
    return good or [fact for fact in found if _is_script(fact.value)][:1]


def _is_script(value: str) -> bool:
    return (
        re.search(r"\.(?:php\d?|aspx?|jspx?|cgi|cfm|do|action|html?|pl)$", value.partition("?")[0], re.IGNORECASE)
        is not None
    )


def attack_classes(facts: Sequence[Fact]) -> tuple[str, ...]:
    """The payload classes that the facts speak of, the first named first; "any code" only where nothing closer is."""
    named = [fact.means for fact in facts if fact.kind == "weakness" and fact.means != "access"]
    named += [fact.means for fact in facts if fact.kind == "payload"]
    named = list(dict.fromkeys(named))
    closer = [name for name in named if name != "code_injection"] or named
    return tuple(dict.fromkeys(name for each in closer for name in classes_of_weakness(each)))


def assess(facts: Sequence[Fact], requests: int = 0) -> Assessed:
    """Judge what the facts of a document are enough for.

    Args:
        facts: what the document says.
        requests: how many requests it shows, written out.

    Returns:
        The verdict, a sentence that says what it rests on, and what is missing for a rule.
    """
    if requests:
        return "request", f"it shows {requests} request{'s' * (requests > 1)}", ()
    endpoints, classes = usable_endpoints(facts), attack_classes(facts)
    placed = _place_of(facts, endpoints)
    told = _told_apart(facts)
    linked = any(fact.about for fact in facts if fact.kind in ("parameter", "header", "cookie"))
    if told and told[0] == "not_http" and not linked and not _sure_endpoint(endpoints):
        return told[0], told[1], ()
    if placed and classes:
        return "enough", f"it names {placed} and an attack of the kind {classes[0]}", ()
    if placed and (told and told[0] == "needs_response"):
        return told[0], told[1], ()
    if placed and not classes and _called_by_itself(facts, endpoints):
        return "enough", f"it names {placed}, and that call is the attack", ()
    if told and not placed:
        return told[0], told[1], ()
    missing = []
    if not placed:
        missing.append("where it is sent: a path, a script, a parameter with a name of its own, a header or an action")
    if not classes:
        missing.append("what it looks like: a payload, or a kind of attack that has one")
    verdict: Verdict = "nothing" if len(missing) == 2 else "no_place" if not placed else "no_payload"
    if told and verdict == "no_payload":
        return told[0], told[1], ()
    return verdict, VERDICTS[verdict].rstrip(".").lower(), tuple(missing)


def _sure_endpoint(endpoints: Sequence[Fact]) -> bool:
    """Whether an endpoint is written as a path of the web, from its slash on."""
    return any(fact.confidence == "certain" and "/" in fact.value for fact in endpoints)


def _place_of(facts: Sequence[Fact], endpoints: Sequence[Fact]) -> str:
    if endpoints:
        return f"the endpoint {endpoints[0].value}"
    for fact in facts:
        if fact.kind == "action":
            return f"the action {fact.value}"
        if fact.kind == "header" or (fact.kind == "cookie" and "=" in fact.value):
            return f"the {fact.kind} {fact.value}"
        if fact.kind == "parameter" and (fact.means == "query" or not _COMMON_NAME.fullmatch(fact.value)):
            return f"the parameter {fact.value}"
    return ""


def telling_parameter(fact: Fact) -> bool:
    """Whether a parameter's name tells the product's call apart without a page."""
    return fact.means == "query" or not _COMMON_NAME.fullmatch(fact.value)


def _called_by_itself(facts: Sequence[Fact], endpoints: Sequence[Fact]) -> bool:
    """Whether calling the endpoint is the attack: a file that is not for readers, or arguments written out."""
    access = any(fact.kind == "weakness" for fact in facts)
    files = [fact for fact in endpoints if _TOLD_FILE.search(fact.value.partition("?")[0])]
    argued = any(fact.kind == "argument" for fact in facts) or any("=" in fact.value for fact in endpoints)
    return access and bool(endpoints) and (bool(files) or argued)


def _told_apart(facts: Sequence[Fact]) -> tuple[Verdict, str] | None:
    """The words that speak against HTTP, state-free and request-only detection, the strongest first."""
    told = [fact for fact in facts if fact.kind == "detectability" and fact.confidence != "possible"]
    for verdict in ("not_http", "needs_response", "needs_state"):
        for fact in told:
            if fact.means == verdict:
                return _VERDICT[verdict], f"“{fact.value[:80]}”: {_why(fact)}"
    return None


_VERDICT: dict[str, Verdict] = {
    "not_http": "not_http",
    "needs_response": "needs_response",
    "needs_state": "needs_state",
}


def _why(fact: Fact) -> str:
    if fact.means == "not_http":
        return next((why for why, pattern in NOT_HTTP if pattern.search(fact.value)), "it does not travel in a request")
    return VERDICTS[fact.means].rstrip(".").lower()
