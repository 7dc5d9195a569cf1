"""The conditions of a PoC as words: what a response must show, and in which order requests are sent."""

from ruleforge.errors import InputError
from ruleforge.sources.afrog.syntax import (
    Call,
    Index,
    Member,
    Name,
    Node,
    NotAnExpressionError,
    Number,
    Operation,
    Text,
    parse_expression,
)
from ruleforge.sources.afrog.values import Variables

MAX_WORD = 500  # characters of one check
MAX_WORDS = 100

_CONTAINS = frozenset({"contains", "icontains", "bcontains", "ibcontains", "startswith", "bstartswith", "endswith"})
_MATCHES = frozenset({"matches", "bmatches", "rmatches", "submatch", "bsubmatch", "rsubmatch"})
_PARTS = {"body": "body", "body_string": "body", "raw": "response", "status": "status"}


def called_rules(text: str, known: tuple[str, ...]) -> list[list[str]]:
    """The rules that the expression of a PoC calls: its alternatives, each with its rules in order, each rule once.

    Args:
        text: `r0() && r1()`, `r0() || (r1() && r2())`; empty or broken: all rules in order.
        known: names of the rules there are.
    """
    try:
        node = parse_expression(text)
    except (NotAnExpressionError, RecursionError):
        return [list(known)]
    alternatives: list[list[str]] = []
    done: set[str] = set()
    for alternative in _alternatives(node):
        names = [name for name in dict.fromkeys(_calls(alternative)) if name in known and name not in done]
        done.update(names)
        if names:
            alternatives.append(names)
    return alternatives


def flatten_checks(text: str, variables: Variables) -> tuple[str, ...]:
    """What a response must show as words: `status:200`, `word(body):root`, `not word(header):x`, else `dsl:…`."""
    try:
        node = parse_expression(text)
    except (NotAnExpressionError, RecursionError):
        return (f"dsl:{text}"[:MAX_WORD],) if text.strip() else ()
    return tuple(dict.fromkeys(_words(node, variables, negative=False)))[:MAX_WORDS]


def _alternatives(node: Node) -> list[Node]:
    if isinstance(node, Operation) and node.sign == "||":
        return [each for operand in node.operands for each in _alternatives(operand)]
    return [node]


def _calls(node: Node) -> list[str]:
    if isinstance(node, Call):
        inner = [name for argument in node.arguments for name in _calls(argument)]
        return [*inner, node.name] if node.of is None else inner
    return [name for operand in node.operands for name in _calls(operand)] if isinstance(node, Operation) else []


def _words(node: Node, variables: Variables, *, negative: bool) -> list[str]:
    if isinstance(node, Operation) and node.sign in ("&&", "||", "!"):
        turned = negative != (node.sign == "!")
        return [word for each in node.operands for word in _words(each, variables, negative=turned)]
    start = "not " if negative != (isinstance(node, Operation) and node.sign == "!=") else ""
    word = _word(node, variables)
    return [f"{start}{word}"[:MAX_WORD]] if word else []


def _word(node: Node, variables: Variables) -> str:
    match node:
        case Operation("==" | "!=", (left, right)):
            return _comparison(left, right, variables)
        case Operation("in", (left, right)) if _part(right) == "header":
            return f"word(header):{_shown(left, variables)}"
        case Call(name, arguments, of) if of is not None and arguments and name.lower() in _CONTAINS:
            return f"word({_part(of)}):{_shown(arguments[0], variables)}"
        case Call(name, arguments, of) if of is not None and arguments and name.lower() in _MATCHES:
            return f"regex({_part(arguments[0])}):{_shown(of, variables)}"
        case Call(name):
            return f"dsl:{name}()"
        case Operation(sign):
            return f"dsl:{sign}"
        case _:
            return ""


def _comparison(left: Node, right: Node, variables: Variables) -> str:
    if _part(left) == "status" and isinstance(right, Number):
        return f"status:{int(right.value)}"
    return f"word({_part(left)}):{_shown(right, variables)}"


def _part(node: Node) -> str:
    """Which part of the response a node reads: "status", "header", "response", else "body"."""
    names: list[str] = []
    while isinstance(node, (Member, Index, Call)):
        if isinstance(node, Member):
            names.append(node.name)
        inner = (
            node.of if node.of is not None else node.arguments[0] if isinstance(node, Call) and node.arguments else None
        )
        if inner is None:
            break
        node = inner
    if isinstance(node, Name):
        names.append(node.name)
    if any("header" in name or name == "content_type" for name in names):
        return "header"
    return next((_PARTS[name] for name in names if name in _PARTS), "body")


def _shown(node: Node, variables: Variables) -> str:
    if isinstance(node, Text):
        return node.value.decode("utf-8", "replace")
    try:
        return variables.text(node).data.decode("utf-8", "replace")
    except InputError:
        return "…"
