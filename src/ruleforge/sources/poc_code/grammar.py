"""Expressions of scripts, by one parser of operator precedence that dialects adapt."""

import msgspec

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import tree
from ruleforge.sources.poc_code.tokens import Scanner, Syntax, Token
from ruleforge.sources.poc_code.values import Limit

MAX_DEPTH = 70  # expressions and blocks within one another
MAX_OPERANDS = 5_000

_PRECEDENCE = (
    ("or", "and", "not"), ("=",), ("..", "..."), ("||", "??", "//"), ("&&",), ("|", "^"), ("&",),
    ("==", "!=", "===", "!==", "=~", "!~", "<=>", "eq", "ne", "instanceof", "in"),
    ("<", ">", "<=", ">=", "lt", "gt"), ("<<", ">>"), ("+", "-", "."), ("*", "/", "%", "x"), ("**",),
)  # fmt: skip
BINDING = {sign: level for level, signs in enumerate(_PRECEDENCE) for sign in signs if sign not in ("=", "not")}
ASSIGNING = frozenset(("=", "+=", "-=", "*=", ".=", "||=", "<<=", "&&=", "??=", ":=", "|=", "%=", "//="))
_OPENING = {"(": ")", "[": "]", "{": "}"}
END = Token("end", "", 0)


class Options(msgspec.Struct, frozen=True):
    """How expressions of a dialect differ."""

    syntax: Syntax
    joins: str = "+"  # the operator that puts texts together
    arrows: tuple[str, ...] = ("=>",)  # between key and value
    attribute_signs: tuple[str, ...] = (".",)
    ternary: bool = True
    colon_pairs: bool = True  # `name: value`


class Grammar:
    """Reads tokens from left to right. What it cannot read it skips, and never fails but at a bound."""

    options: Options

    def __init__(self, source: str, line: int = 1, depth: int = 0) -> None:
        self.tokens = Scanner(source, self.options.syntax, line).tokens()
        self.at = 0
        self._depth = depth

    # Tokens

    @property
    def now(self) -> Token:
        """The token to read next."""
        return self.tokens[self.at] if self.at < len(self.tokens) else END

    def ahead(self, steps: int = 1) -> Token:
        """A token further on."""
        return self.tokens[self.at + steps] if self.at + steps < len(self.tokens) else END

    def step(self) -> Token:
        """Take the next token."""
        token = self.now
        self.at += 1
        return token

    def sees(self, *signs: str) -> bool:
        """Whether one of `signs` comes next."""
        return self.now.kind == "sign" and self.now.value in signs

    def sees_name(self, *names: str) -> bool:
        """Whether one of the words `names` comes next."""
        return self.now.kind == "name" and self.now.value in names

    def take(self, *signs: str) -> bool:
        """Step over one of `signs`, if it comes next."""
        if self.sees(*signs):
            self.at += 1
            return True
        return False

    def skip_lines(self) -> None:
        """Step over line ends."""
        while self.now.kind == "line":
            self.at += 1

    def deeper(self) -> None:
        """Go one level down; leave it with `self._depth -= 1`.

        Raises:
            Limit: too deep.
        """
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Limit("nested too deeply")

    # Expressions

    def expression(self, least: int = 1) -> tree.Expression:
        """Read an expression whose operators bind at least as strongly as `least`."""
        self.deeper()
        try:
            left = self.unary()
            while True:
                sign = self.now
                if sign.kind == "sign" and sign.value in ASSIGNING and least <= 1:
                    left = self.assignment(left)
                    continue
                if sign.value == "?" and sign.kind == "sign" and self.options.ternary and least <= 2:
                    left = self._ternary(left)
                    continue
                level = BINDING.get(sign.value) if sign.kind in ("sign", "name") else None
                if level is None or level < least or not self.is_operator(sign):
                    return left
                left = self._binary(left, sign, level)
        finally:
            self._depth -= 1

    def is_operator(self, token: Token) -> bool:
        """Whether `token`, which could be one, is an operator here."""
        return token.kind == "sign"

    def _binary(self, left: tree.Expression, sign: Token, level: int) -> tree.Expression:
        """`left sign right sign right …`: a chain of one operator is one operation, however long."""
        operands = [left]
        while self.now.value == sign.value and self.now.kind == sign.kind and len(operands) < MAX_OPERANDS:
            self.step()
            self.skip_lines()
            operands.append(self.expression(level + 1))
        name = {"||": "or", "&&": "and", "//": "or", "??": "or"}.get(sign.value, sign.value)
        name = "+" if name == self.options.joins else name
        return tree.Operation(name, tuple(operands), sign.line)

    def _ternary(self, test: tree.Expression) -> tree.Expression:
        line = self.step().line
        self.skip_lines()
        yes = test if self.sees(":") else self.expression(2)
        self.skip_lines()
        self.take(":")
        self.skip_lines()
        return tree.Choice(test, yes, self.expression(2), line)

    def assignment(self, target: tree.Expression) -> tree.Expression:
        """`target = value` inside an expression: its effect is kept apart, in `pending`."""
        sign = self.step()
        self.skip_lines()
        value = self.expression(1)
        self.pending.append(tree.Assign(uncalled(target), value, self.operator_of(sign.value), sign.line))
        return value

    @property
    def pending(self) -> list[tree.Statement]:
        """Assignments met inside expressions, to be read before the statement."""
        if not hasattr(self, "_pending"):
            self._pending: list[tree.Statement] = []
        return self._pending

    def operator_of(self, sign: str) -> str:
        """`+` of `+=`; nothing for a plain assignment."""
        name = sign.removesuffix("=").rstrip(":")
        return "+" if name == self.options.joins and name else {"||": "or", "??": "or", "//": "or"}.get(name, name)

    def unary(self) -> tree.Expression:
        """Signs before an operand, the operand, and what follows it."""
        if self.sees("-") and self.ahead().kind == "number":
            line = self.step().line
            return tree.Operation("-", (tree.Const(0, line), self.unary()), line)
        signs = 0
        while self.sees("!", "-", "+", "&", "*", "@", "\\", "~", "++", "--", "...", "**") and signs < MAX_DEPTH:
            signs += 1
            spread = self.step().value in ("*", "...", "**")
            if spread and signs == 1:
                return tree.Spread(self.unary_once(), self.now.line)
        return self.postfix(self.primary())

    def unary_once(self) -> tree.Expression:
        """An operand with what follows it."""
        self.deeper()
        try:
            return self.postfix(self.primary())
        finally:
            self._depth -= 1

    def postfix(self, base: tree.Expression) -> tree.Expression:
        """Calls, indexes and attributes behind `base`."""
        while True:
            if self.sees("(") and self.may_call(base):
                base = self.call(base)
            elif self.sees("[") and self.may_index(base):
                base = self.index(base)
            elif self.sees(*self.options.attribute_signs) and self.may_select():
                base = self.selected(base)
            elif self.sees("++", "--"):
                self.step()
            else:
                return base

    def may_call(self, base: tree.Expression) -> bool:
        """Whether `(` behind `base` is a call."""
        return not isinstance(base, (tree.Const, tree.Glue, tree.Mapping))

    def may_index(self, base: tree.Expression) -> bool:
        """Whether `[` behind `base` is an index."""
        return not self.now.spaced or not isinstance(base, tree.Const)

    def may_select(self) -> bool:
        """Whether the sign that comes next selects an attribute here."""
        return self.ahead().kind in ("name", "variable")

    def call(self, function: tree.Expression) -> tree.Expression:
        """`(arguments)` behind `function`."""
        line = self.step().line
        arguments, named = self.arguments(")")
        return tree.Apply(function, arguments, named, line)

    def index(self, base: tree.Expression) -> tree.Expression:
        """`[key]` behind `base`; `[]` names the next element."""
        line = self.step().line
        self.skip_lines()
        if self.take("]"):
            return tree.Item(base, tree.Const(None, line), line)
        key = self.expression()
        if self.take(","):
            length = self.expression()
            self.until("]")
            return tree.Slice(base, key, tree.Operation("+", (key, length), line), line)
        self.until("]")
        if isinstance(key, tree.Operation) and key.operator in ("..", "...") and len(key.operands) == 2:
            return tree.Slice(base, key.operands[0], key.operands[1], line)
        return tree.Item(base, key, line)

    def selected(self, base: tree.Expression) -> tree.Expression:
        """`.name` behind `base`."""
        line = self.step().line
        return tree.Attribute(base, self.step().value.lstrip("$@"), line)

    def arguments(self, close: str) -> tuple[tuple[tree.Expression, ...], tuple[tuple[str, tree.Expression], ...]]:
        """Arguments up to `close`; those with a key come together as a mapping, the last argument."""
        values: list[tree.Expression] = []
        pairs: list[tuple[tree.Expression, tree.Expression]] = []
        line = self.now.line
        while self.now.kind != "end":
            self.skip_lines()
            if self.take(close):
                break
            before = self.at
            self.element(values, pairs)
            self.skip_lines()
            if not self.take(",", ";") and not self.sees(close) and self.at == before:
                self.step()
        if pairs:
            values.append(tree.Mapping(tuple(pairs), line))
        return tuple(values), ()

    def element(self, values: list[tree.Expression], pairs: list[tuple[tree.Expression, tree.Expression]]) -> None:
        """One element of arguments, a list or a mapping, into `values` or `pairs`."""
        key = self.key()
        if key is None:
            value = self.expression()
            if not self.take(*self.options.arrows):
                values.append(value)
                return
            key = value
        self.skip_lines()
        pairs.append((key, self.expression()))

    def key(self) -> tree.Expression | None:
        """`name:` or `"name":` before a value, else None."""
        after = self.ahead()
        if not self.options.colon_pairs or after.kind != "sign" or after.value != ":" or after.spaced:
            return None
        if self.now.kind not in ("name", "text", "number"):
            return None
        token = self.step()
        self.step()
        return self.text(token) if token.kind == "text" else const(token.value, token.line)

    def until(self, close: str) -> None:
        """Step over everything up to `close`, brackets of other kinds included."""
        depth = 0
        while self.now.kind != "end":
            token = self.step()
            if token.kind == "sign":
                if token.value == close and not depth:
                    return
                depth += (token.value in _OPENING) - (token.value in (")", "]", "}"))
                if depth < 0:
                    self.at -= 1
                    return

    # Operands

    def primary(self) -> tree.Expression:
        """One operand; what is none is stepped over and reads as nothing."""
        token = self.now
        if token.kind == "text":
            return self.texts()
        if token.kind == "number":
            self.step()
            return tree.Const(number(token.value), token.line)
        if token.kind == "variable":
            return self.variable()
        if token.kind == "name":
            return self.word()
        if self.take("("):
            return self.group(token)
        if self.take("["):
            return self.collection("]", token.line)
        if self.sees("{"):
            return self.mapping()
        if token.kind == "sign" and token.value not in (")", "]", "}", ",", ";", ":", "?"):
            self.step()
        return tree.Const(None, token.line)

    def group(self, opening: Token) -> tree.Expression:
        """What stands in round brackets; several values are a list."""
        values, _ = self.arguments(")")
        return values[0] if len(values) == 1 else tree.Sequence(values, opening.line)

    def collection(self, close: str, line: int) -> tree.Expression:
        """A list, or a mapping where it has keys."""
        values, _ = self.arguments(close)
        if len(values) == 1 and isinstance(values[0], tree.Mapping) and self._is_mapping():
            return values[0]
        return tree.Sequence(values, line)

    def _is_mapping(self) -> bool:
        """Whether a bracketed collection with pairs alone is a mapping: in PHP it is, elsewhere a list of one."""
        return "=>" in self.options.arrows and not self.options.colon_pairs

    def mapping(self) -> tree.Expression:
        """`{key: value}`."""
        line = self.step().line
        values, _ = self.arguments("}")
        last = values[-1] if values else None
        pairs = list(last.pairs) if isinstance(last, tree.Mapping) else []
        for each in values:
            if isinstance(each, tree.Name):  # {name} of JavaScript
                pairs.append((const(each.id, line), each))
            elif isinstance(each, tree.Spread):
                pairs.insert(0, (each, each.value))
        return tree.Mapping(tuple(pairs), line)

    def texts(self) -> tree.Expression:
        """A text; in some languages several in a row are one."""
        return self.text(self.step())

    def text(self, token: Token) -> tree.Expression:
        """A text with the expressions in it."""
        parts: list[tree.Expression] = []
        for part in token.parts:
            if isinstance(part, str):
                parts.append(const(part, token.line))
            else:
                parts.append(self.inner(part[0], token.line))
        if all(isinstance(part, tree.Const) for part in parts) and len(parts) < 2:
            return parts[0] if parts else const("", token.line)
        return tree.Glue(tuple(parts), token.line)

    def inner(self, source: str, line: int) -> tree.Expression:
        """An expression inside a text."""
        self.deeper()
        try:
            return type(self)(source, line, self._depth).expression()
        finally:
            self._depth -= 1

    def variable(self) -> tree.Expression:
        """A variable with its sigil taken off."""
        token = self.step()
        return tree.Name(token.value.lstrip("$@%&"), token.line)

    def word(self) -> tree.Expression:
        """A name or a word of the language."""
        token = self.step()
        literal = {"true": True, "false": False}.get(token.value.lower())
        if literal is not None or token.value in ("nil", "null", "NULL", "undefined", "undef", "None"):
            return tree.Const(literal, token.line)
        return tree.Name(token.value, token.line)


def const(value: str, line: int) -> tree.Const:
    """A text written out; characters below 256 that come from escapes are bytes only where the source says so."""
    return tree.Const(Text(value.encode("utf-8", "surrogatepass")), line)


def number(value: str) -> int | float:
    """A number written out."""
    digits = value.replace("_", "")
    if digits[:2] in ("0x", "0X"):
        return int(digits, 16)
    return float(digits) if "." in digits else int(digits)


def uncalled(target: tree.Expression) -> tree.Expression:
    """`a.b` where `a.b` was read as a call without arguments, as the target of an assignment."""
    if isinstance(target, tree.Apply) and not target.arguments and not target.named:
        return target.function
    return target
