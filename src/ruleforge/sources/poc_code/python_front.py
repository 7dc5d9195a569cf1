"""Python, of both ages, into the common tree. Python 2 is rewritten line by line until it parses."""

import ast
import re
import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import tree
from ruleforge.sources.poc_code.bounds import MAX_NESTING, too_deep
from ruleforge.sources.poc_code.values import Limit

MAX_NODES = 60_000
MAX_TREE_DEPTH = 120
MAX_REPAIRS = 60  # lines that are dropped, one after the other, because they do not parse

# `print x` becomes `_ = x`, which takes the same expressions, over several lines and with a comma at the end too.
_PRINT = re.compile(
    r"^([ \t]*(?:(?:if|else|elif|try|except|finally|for|while)\b[^'\"\n]{0,300}:[ \t]*)?)"
    r"print(?:[ \t]*>>[ \t]*|[ \t]+(?=[^\s(=.,)])|(?=['\"]))",
    re.MULTILINE,
)
_EXCEPT = re.compile(
    r"^([ \t]*except[ \t]{1,20}[\w.()][\w.() ,]{0,200}?)[ \t]{0,20},[ \t]{0,20}(\w{1,60})[ \t]{0,20}:", re.MULTILINE
)
# the first line of a script within prose
_BEGINS = re.compile(r"#!|import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import[ \t]|def[ \t]+\w+\(")
_RAISE = re.compile(r"^([ \t]*)raise[ \t]+[\w.]{1,80}[ \t]*,[^\n]*$", re.MULTILINE)
_EXEC = re.compile(r"^([ \t]*)exec[ \t]+[^\n(][^\n]*$", re.MULTILINE)
_BACKTICKS = re.compile(r"`([^`\n]{1,200})`")
_OCTAL = re.compile(r"(?<![\w.'\"])0+([1-7][0-7]{0,10})\b(?!\.)")
_LONG = re.compile(r"(?<![\w.'\"])(\d{1,20}|0x[0-9a-fA-F]{1,16})[lL]\b")
_UNICODE = re.compile(r"(?<![\w'\"])ur(?=['\"])")


def read_python(source: str) -> tree.Block:
    """Parse `source`, mending what only Python 2 allows and leaving out lines that are no Python.

    Raises:
        Limit: too deeply nested, too many nodes, or not Python even so.
    """
    if too_deep(source):
        raise Limit(f"brackets nested more than {MAX_NESTING} deep")
    module = _parsed(source)
    if sum(1 for _ in islice(ast.walk(module), MAX_NODES + 1)) > MAX_NODES:
        raise Limit(f"more than {MAX_NODES} nodes")
    return _block(module.body, 0)


def _parsed(source: str) -> ast.Module:
    error = _attempt(source)
    if isinstance(error, ast.Module):
        return error
    lines = _as_python_3(source).split("\n")
    first = next((at for at, line in enumerate(lines) if _BEGINS.match(line)), 0)
    lines[:first] = [""] * first  # prose before the script, as in mails; line numbers stay
    for _ in range(MAX_REPAIRS):
        result = _attempt("\n".join(lines))
        if isinstance(result, ast.Module):
            return result
        if not _mend_line(lines, result):
            break
    raise Limit(f"not readable as Python: {_what(error)}")


def _what(error: Exception | ast.Module) -> str:
    return error.msg if isinstance(error, SyntaxError) else type(error).__name__


def _attempt(source: str) -> ast.Module | Exception:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return error


def _mend_line(lines: list[str], error: Exception | ast.Module) -> bool:
    """Put `pass` where the parser stopped, or mend an indentation; False when there is nothing to mend."""
    at = (error.lineno or 0) - 1 if isinstance(error, SyntaxError) else -1
    if not 0 <= at < len(lines):
        return False
    line = lines[at]
    if isinstance(error, IndentationError) and "expected an indented block" in error.msg:
        indent = re.match(r"[ \t]*", line)
        lines[at] = (indent[0] if indent else "") + " pass\n" + line
        # the parser names the line after the one that opens the block
        opener = next((n for n in range(at - 1, -1, -1) if lines[n].strip()), None)
        if opener is not None:
            lines[at] = line
            lines[opener] = lines[opener].rstrip() + " pass"
        return True
    if isinstance(error, IndentationError):
        previous = next((lines[n] for n in range(at - 1, -1, -1) if lines[n].strip()), "")
        indent = re.match(r"[ \t]*", previous)
        changed = (indent[0] if indent else "") + line.strip()
        lines[at] = changed if changed != line else "pass"
        return True
    if line.strip() in ("", "pass"):
        return False
    indent = re.match(r"[ \t]*", line)
    lines[at] = (indent[0] if indent else "") + "pass"
    if line.rstrip().endswith(":") and not line.lstrip().startswith(("else", "elif", "except", "finally")):
        lines[at] = (indent[0] if indent else "") + "if True:"
    return lines[at] != line


def _as_python_3(source: str) -> str:
    source = source.replace("\r\n", "\n").replace("\r", "\n").expandtabs(8).replace("“", '"').replace("”", '"')
    source = source.replace("\xa0", " ").replace("\0", "")
    source = _PRINT.sub(r"\1_ = ", source)
    source = _EXCEPT.sub(r"\1 as \2:", source)
    source = _RAISE.sub(r"\1pass", source)
    source = _EXEC.sub(r"\1pass", source)
    source = _LONG.sub(r"\1", source)
    source = _UNICODE.sub("r", source)
    if "<>" in source:
        source = _NOT_EQUAL_OUTSIDE.sub(lambda found: found[1] or "!=", source)
    return _numbers(_BACKTICKS.sub(r"str(\1)", source))


_NOT_EQUAL_OUTSIDE = re.compile(r"('[^'\n]{0,2000}'|\"[^\"\n]{0,2000}\")|<>")


def _numbers(source: str) -> str:
    """`0777` of Python 2, outside of texts on the same line."""
    return _OCTAL.sub(r"0o\1", source) if re.search(r"(?:chmod|makedirs|mkdir|umask)", source) else source


# Lowering


def _block(body: list[ast.stmt], depth: int) -> tree.Block:
    if depth > MAX_TREE_DEPTH:
        raise Limit("blocks nested too deeply")
    return tuple(_statements(body, depth + 1))


def _statements(body: list[ast.stmt], depth: int) -> Iterator[tree.Statement]:
    for node in body:
        lower = _STATEMENTS.get(type(node))
        if lower is not None:
            yield from lower(node, depth)


def _assign(node: ast.Assign, depth: int) -> Iterator[tree.Statement]:
    value = _expression(node.value, depth)
    for target in node.targets:
        yield tree.Assign(_expression(target, depth), value, "", node.lineno)


def _annotated(node: ast.AnnAssign, depth: int) -> Iterator[tree.Statement]:
    if node.value is not None:
        yield tree.Assign(_expression(node.target, depth), _expression(node.value, depth), "", node.lineno)


def _augmented(node: ast.AugAssign, depth: int) -> Iterator[tree.Statement]:
    sign = _SIGNS.get(type(node.op), "?")
    yield tree.Assign(_expression(node.target, depth), _expression(node.value, depth), sign, node.lineno)


def _do(node: ast.Expr | ast.Await, depth: int) -> Iterator[tree.Statement]:
    yield tree.Do(_expression(node.value, depth), node.lineno)


def _return(node: ast.Return, depth: int) -> Iterator[tree.Statement]:
    yield tree.Give(None if node.value is None else _expression(node.value, depth), node.lineno)


def _if(node: ast.If, depth: int) -> Iterator[tree.Statement]:
    blocks = (_block(node.body, depth), _block(node.orelse, depth))
    yield tree.Branch(_expression(node.test, depth), blocks, node.lineno)


def _for(node: ast.For | ast.AsyncFor, depth: int) -> Iterator[tree.Statement]:
    target, over = _expression(node.target, depth), _expression(node.iter, depth)
    yield tree.Loop(target, over, _block(node.body, depth), node.lineno)
    yield from _statements(node.orelse, depth + 1)


def _while(node: ast.While, depth: int) -> Iterator[tree.Statement]:
    yield tree.Do(_expression(node.test, depth), node.lineno)
    yield tree.Loop(None, None, _block(node.body, depth), node.lineno)
    yield from _statements(node.orelse, depth + 1)


def _try(node: ast.Try, depth: int) -> Iterator[tree.Statement]:
    yield tree.Group((_block(node.body, depth),), node.lineno)
    handlers = tuple(_block(each.body, depth) for each in node.handlers)
    yield tree.Branch(None, handlers, node.lineno)
    yield tree.Group((_block(node.orelse, depth), _block(node.finalbody, depth)), node.lineno)


def _with(node: ast.With | ast.AsyncWith, depth: int) -> Iterator[tree.Statement]:
    for item in node.items:
        value = _expression(item.context_expr, depth)
        if item.optional_vars is None:
            yield tree.Do(value, node.lineno)
        else:
            yield tree.Assign(_expression(item.optional_vars, depth), value, "", node.lineno)
    yield tree.Group((_block(node.body, depth),), node.lineno)


def _define(node: ast.FunctionDef | ast.AsyncFunctionDef, depth: int) -> Iterator[tree.Statement]:
    static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in node.decorator_list)
    yield tree.Define(node.name, _parameters(node.args, depth), _block(node.body, depth), node.lineno, not static)


def _class(node: ast.ClassDef, depth: int) -> Iterator[tree.Statement]:
    bases = tuple(_expression(each, depth) for each in node.bases)
    yield tree.DefineClass(node.name, bases, _block(node.body, depth), node.lineno)


def _import(node: ast.Import, depth: int) -> Iterator[tree.Statement]:
    for each in node.names:
        name = each.asname or each.name.partition(".")[0]
        yield tree.Bind(name, each.name if each.asname else name, node.lineno)


def _import_from(node: ast.ImportFrom, depth: int) -> Iterator[tree.Statement]:
    for each in node.names:
        if each.name == "*":
            for name in _STARS.get(node.module or "", ()):
                yield tree.Bind(name, f"{node.module}.{name}", node.lineno)
        else:
            yield tree.Bind(each.asname or each.name, f"{node.module}.{each.name}", node.lineno)


def _global(node: ast.Global | ast.Nonlocal, depth: int) -> Iterator[tree.Statement]:
    yield tree.Share(tuple(node.names), node.lineno)


def _match(node: ast.Match, depth: int) -> Iterator[tree.Statement]:
    blocks = tuple(_block(case.body, depth) for case in node.cases)
    yield tree.Branch(_expression(node.subject, depth), blocks, node.lineno)


_STARS = {
    "socket": ("socket", "AF_INET", "SOCK_STREAM", "create_connection"),
    "urllib": ("urlopen", "urlencode", "quote", "quote_plus"),
    "urllib2": ("urlopen", "Request"),
    "urllib.request": ("urlopen", "Request"),
    "urllib.parse": ("quote", "quote_plus", "urlencode", "urljoin"),
    "requests": ("get", "post", "put", "delete", "request", "Session", "session", "head", "options", "patch"),
    "pwn": ("remote",),
    "base64": ("b64encode", "b64decode"),
    "sys": ("argv",),
}
_STATEMENTS: dict[type, Callable[[Any, int], Iterator[tree.Statement]]] = {
    ast.Assign: _assign, ast.AnnAssign: _annotated, ast.AugAssign: _augmented, ast.Expr: _do, ast.Return: _return,
    ast.If: _if, ast.For: _for, ast.AsyncFor: _for, ast.While: _while, ast.Try: _try, ast.With: _with,
    ast.AsyncWith: _with, ast.FunctionDef: _define, ast.AsyncFunctionDef: _define, ast.ClassDef: _class,
    ast.Import: _import, ast.ImportFrom: _import_from, ast.Global: _global, ast.Nonlocal: _global, ast.Match: _match,
}  # fmt: skip
_SIGNS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.LShift: "<<", ast.RShift: ">>", ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^",
}  # fmt: skip


def _parameters(given: ast.arguments, depth: int) -> tuple[tree.Parameter, ...]:
    plain = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(given.defaults))
    done = [
        tree.Parameter(each.arg, None if default is None else _expression(default, depth))
        for each, default in zip(plain, [*defaults, *given.defaults], strict=True)
    ]
    if given.vararg:
        done.append(tree.Parameter(given.vararg.arg, None, gathers=True))
    named = (
        tree.Parameter(each.arg, None if default is None else _expression(default, depth))
        for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)
    )
    return (*(each for each in done if not each.gathers), *named, *(each for each in done if each.gathers))


def _expression(node: ast.expr, depth: int) -> tree.Expression:
    if depth > MAX_TREE_DEPTH:
        raise Limit("expressions nested too deeply")
    lower = _EXPRESSIONS.get(type(node))
    return tree.Const(None, node.lineno) if lower is None else lower(node, depth + 1)


def _constant(node: ast.Constant, depth: int) -> tree.Expression:
    value = node.value
    if isinstance(value, str):
        return tree.Const(Text(value.encode("utf-8", "surrogatepass")), node.lineno)
    if isinstance(value, bytes):
        return tree.Const(Text(value), node.lineno)
    if isinstance(value, (bool, float)) or value is None:
        return tree.Const(value, node.lineno)
    return tree.Const(value if isinstance(value, int) and abs(value) < 1 << 64 else None, node.lineno)


def _sum(node: ast.BinOp, depth: int) -> tree.Expression:
    """`a + b + c …` as one operation, however long it is."""
    sign = _SIGNS.get(type(node.op), "?")
    operands: list[ast.expr] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp) and isinstance(left.op, type(node.op)):
        operands.append(left.right)
        left = left.left
    parts = tuple(_expression(each, depth) for each in (left, *reversed(operands)))
    return tree.Operation(sign, parts, node.lineno)


def _call(node: ast.Call, depth: int) -> tree.Expression:
    arguments = tuple(_expression(each, depth) for each in node.args)
    named = tuple((each.arg or "", _expression(each.value, depth)) for each in node.keywords)
    return tree.Apply(_expression(node.func, depth), arguments, named, node.lineno)


def _subscript(node: ast.Subscript, depth: int) -> tree.Expression:
    base = _expression(node.value, depth)
    if isinstance(node.slice, ast.Slice):
        low, high = (
            None if each is None else _expression(each, depth) for each in (node.slice.lower, node.slice.upper)
        )
        return tree.Slice(base, low, high, node.lineno)
    return tree.Item(base, _expression(node.slice, depth), node.lineno)


def _dict(node: ast.Dict, depth: int) -> tree.Expression:
    pairs = (
        (tree.Spread(tree.Const(None)) if key is None else _expression(key, depth), _expression(value, depth))
        for key, value in zip(node.keys, node.values, strict=True)
    )
    return tree.Mapping(tuple(pairs), node.lineno)


def _sequence(node: ast.List | ast.Tuple | ast.Set, depth: int) -> tree.Expression:
    return tree.Sequence(tuple(_expression(each, depth) for each in node.elts), node.lineno)


def _joined(node: ast.JoinedStr, depth: int) -> tree.Expression:
    return tree.Glue(tuple(_expression(each, depth) for each in node.values), node.lineno)


def _lambda(node: ast.Lambda, depth: int) -> tree.Expression:
    body = (tree.Give(_expression(node.body, depth), node.lineno),)
    return tree.Closure(_parameters(node.args, depth), body, node.lineno)


def _each(node: ast.ListComp | ast.GeneratorExp | ast.SetComp, depth: int) -> tree.Expression:
    first = node.generators[0]
    element = _expression(node.elt, depth)
    return tree.Each(element, _expression(first.target, depth), _expression(first.iter, depth), node.lineno)


def _unary(node: ast.UnaryOp, depth: int) -> tree.Expression:
    value = _expression(node.operand, depth)
    if isinstance(node.op, ast.USub):
        return tree.Operation("-", (tree.Const(0, node.lineno), value), node.lineno)
    return value


def _boolean(node: ast.BoolOp, depth: int) -> tree.Expression:
    sign = "or" if isinstance(node.op, ast.Or) else "and"
    return tree.Operation(sign, tuple(_expression(each, depth) for each in node.values), node.lineno)


def _compare(node: ast.Compare, depth: int) -> tree.Expression:
    return tree.Operation("compare", tuple(_expression(each, depth) for each in (node.left, *node.comparators)))


_EXPRESSIONS: dict[type, Callable[[Any, int], tree.Expression]] = {
    ast.Constant: _constant,
    ast.Name: lambda node, _: tree.Name(node.id, node.lineno),
    ast.Attribute: lambda node, depth: tree.Attribute(_expression(node.value, depth), node.attr, node.lineno),
    ast.Starred: lambda node, depth: tree.Spread(_expression(node.value, depth), node.lineno),
    ast.FormattedValue: lambda node, depth: _expression(node.value, depth),
    ast.Await: lambda node, depth: _expression(node.value, depth),
    ast.NamedExpr: lambda node, depth: _expression(node.value, depth),
    ast.IfExp: lambda node, depth: tree.Choice(
        _expression(node.test, depth), _expression(node.body, depth), _expression(node.orelse, depth), node.lineno
    ),
    ast.BinOp: _sum,
    ast.Call: _call,
    ast.Subscript: _subscript,
    ast.Dict: _dict,
    ast.List: _sequence,
    ast.Tuple: _sequence,
    ast.Set: _sequence,
    ast.JoinedStr: _joined,
    ast.Lambda: _lambda,
    ast.ListComp: _each,
    ast.GeneratorExp: _each,
    ast.SetComp: _each,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
}
