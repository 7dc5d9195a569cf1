"""Ruby into the common tree: what exploit modules and short scripts use of it."""

import re

from ruleforge.sources.poc_code import tree
from ruleforge.sources.poc_code.grammar import Grammar, Options, const, uncalled
from ruleforge.sources.poc_code.tokens import Syntax, Token

_SIGNS = (
    "**=",
    "<=>",
    "===",
    "...",
    "<<=",
    "||=",
    "&&=",
    "=>",
    "==",
    "!=",
    ">=",
    "<=",
    "=~",
    "!~",
    "&&",
    "||",
    "<<",
    ">>",
    "+=",
    "-=",
    "*=",
    "/=",
    "|=",
    "%=",
    "**",
    "..",
    "::",
    "&.",
    "->",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    ";",
    ":",
    "?",
    "=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "<",
    ">",
    "!",
    "&",
    "|",
    "^",
    "~",
)
_ENDS = ("end", "else", "elsif", "when", "rescue", "ensure", "in", "}")
_MODIFIERS = ("if", "unless", "while", "until", "rescue")
_KEYWORDS = frozenset(
    (
        "if",
        "unless",
        "while",
        "until",
        "case",
        "when",
        "then",
        "else",
        "elsif",
        "end",
        "do",
        "def",
        "class",
        "module",
        "begin",
        "rescue",
        "ensure",
        "return",
        "yield",
        "and",
        "or",
        "not",
        "in",
        "for",
        "self",
        "nil",
        "true",
        "false",
        "super",
        "next",
        "break",
        "redo",
        "retry",
    )
)

SYNTAX = Syntax(
    line_comments=("#",),
    signs=_SIGNS,
    variable=re.compile(r"@@?\w+|\$[\w!@:~?]\w*"),
    names=re.compile(r"[^\W\d]\w*(?:[?!](?![=~]))?"),
    block_comments=(("\n=begin", "\n=end"),),
    interpolating='"`',
    plain="'",
    interpolation=re.compile(r"(?<!\\)#\{"),
    lines_matter=True,
    percent_quotes=True,
    heredoc=re.compile(r"<<([~-]?)(['\"]?)([A-Z_]\w*)\2"),
    regex_literals=True,
)


class Ruby(Grammar):
    """The parser of Ruby."""

    options = Options(SYNTAX, attribute_signs=(".", "&.", "::"))

    def __init__(self, source: str, line: int = 1, depth: int = 0, known: set[str] | None = None) -> None:
        super().__init__(source, line, depth)
        self._known: set[str] = known if known is not None else set()

    def script(self) -> tree.Block:
        """All statements of the source."""
        done: list[tree.Statement] = []
        while self.now.kind != "end":
            done += self.block()
            if self.now.kind != "end":
                self.step()
        return tuple(done)

    # Statements

    def block(self, *, brace: bool = False) -> tree.Block:
        """Statements up to a word that ends a block."""
        self.deeper()
        done: list[tree.Statement] = []
        while self.now.kind != "end":
            if self.now.kind == "line" or self.sees(";"):
                self.step()
                continue
            if self.sees("}") if brace else (self.now.kind == "name" and self.now.value in _ENDS):
                break
            before = self.at
            done += self.statement()
            if self.at == before:
                self.step()
        self._depth -= 1
        return tuple(done)

    def statement(self) -> list[tree.Statement]:
        """One statement with its modifiers."""
        done = self._plain_statement()
        while self.sees_name(*_MODIFIERS):
            word = self.step()
            if word.value == "rescue":
                self.expression()
                continue
            done = [tree.Branch(self.expression(), (tuple(done),), word.line)]
        return done

    def _plain_statement(self) -> list[tree.Statement]:
        token = self.now
        if token.kind == "name":
            read = {
                "def": self._define, "class": self._class, "module": self._module, "return": self._return,
                "if": self._if, "unless": self._if, "while": self._while, "until": self._while, "case": self._case,
                "begin": self._begin, "for": self._for,
            }.get(token.value)  # fmt: skip
            if read is not None:
                self.step()
                return read(token)
        return self._simple(token)

    def _simple(self, token: Token) -> list[tree.Statement]:
        value = self.expression()
        targets = [value]
        while self.sees(",") and isinstance(uncalled(value), (tree.Name, tree.Attribute)):  # a, b = …
            self.step()
            targets.append(self.expression(2))
        if len(targets) > 1 and self.take("="):
            for each in targets:
                self._remember(each)
            value = self.expression()
            target = tree.Sequence(tuple(uncalled(each) for each in targets), token.line)
            return [*self._settled(), tree.Assign(target, value, "", token.line)]
        effects = self._settled()
        if isinstance(value, tree.Operation) and value.operator == "<<" and not effects:
            return [tree.Assign(uncalled(value.operands[0]), each, "<<", token.line) for each in value.operands[1:]]
        return effects if effects and not isinstance(value, tree.Apply) else [*effects, tree.Do(value, token.line)]

    def _settled(self) -> list[tree.Statement]:
        done = list(self.pending)
        self.pending.clear()
        return done

    def assignment(self, target: tree.Expression) -> tree.Expression:
        """An assignment; its name is a variable from then on."""
        self._remember(target)
        sign = self.step()
        self.skip_lines()
        value = self.expression(1)
        if self.sees(","):  # a = 1, 2
            values = [value]
            while self.sees(",") and not self._listing:
                self.step()
                values.append(self.expression(2))
            value = tree.Sequence(tuple(values), sign.line) if len(values) > 1 else value
        self.pending.append(tree.Assign(uncalled(target), value, self.operator_of(sign.value), sign.line))
        return uncalled(target) if isinstance(uncalled(target), tree.Name) else value

    _listing = 0  # brackets we are in: a comma belongs to them

    def arguments(self, close: str) -> tuple[tuple[tree.Expression, ...], tuple[tuple[str, tree.Expression], ...]]:
        """Arguments within brackets."""
        self._listing += 1
        try:
            return super().arguments(close)
        finally:
            self._listing -= 1

    def _remember(self, target: tree.Expression) -> None:
        target = uncalled(target)
        if isinstance(target, tree.Name):
            self._known.add(target.id)

    def _define(self, token: Token) -> list[tree.Statement]:
        name = self.step().value
        if self.take("."):
            name = self.step().value
        parameters: tuple[tree.Parameter, ...] = ()
        if self.take("("):
            parameters = self._parameters(")")
        elif self.now.kind in ("name", "variable") or self.sees("*"):
            parameters = self._parameters("\n")
        body = [*self.block()]
        body += self._rescues()
        self._end()
        return [tree.Define(name, parameters, _giving_last(body), token.line, binds_receiver=False)]

    def _parameters(self, close: str) -> tuple[tree.Parameter, ...]:
        done: list[tree.Parameter] = []
        self._listing += 1
        while self.now.kind != "end" and not (self.now.kind == "line" and close == "\n"):
            if self.now.kind == "line":
                self.step()
                continue
            if self.take(close):
                break
            gathers = self.take("*", "**", "&")
            token = self.step()
            if token.kind in ("name", "variable"):
                self._known.add(token.value)
                default = (
                    self.expression(2) if self.take("=") or (self.take(":") and not self.sees(",", close)) else None
                )
                done.append(tree.Parameter(token.value, default, gathers))
        self._listing -= 1
        return tuple(done)

    def _class(self, token: Token) -> list[tree.Statement]:
        if self.take("<<"):  # class << self
            self.expression()
            body = self.block()
            self._end()
            return [tree.Group((body,), token.line)]
        name = self.postfix(self.word_as_name())
        bases: tuple[tree.Expression, ...] = ()
        if self.take("<"):
            bases = (self.expression(),)
        body = self.block()
        self._end()
        shown = name.id if isinstance(name, tree.Name) else name.name if isinstance(name, tree.Attribute) else "class"
        return [tree.DefineClass(shown, bases, body, token.line)]

    def word_as_name(self) -> tree.Expression:
        """A constant."""
        token = self.step()
        return tree.Name(token.value, token.line)

    def _module(self, token: Token) -> list[tree.Statement]:
        self.postfix(self.word_as_name())
        body = self.block()
        self._end()
        return [tree.Group((body,), token.line)]

    def _return(self, token: Token) -> list[tree.Statement]:
        if self.now.kind in ("line", "end") or self.sees(";", "}") or self.sees_name(*_MODIFIERS, "end"):
            return [tree.Give(None, token.line)]
        values = [self.expression()]
        while self.take(","):
            values.append(self.expression())
        value = values[0] if len(values) == 1 else tree.Sequence(tuple(values), token.line)
        return [*self._settled(), tree.Give(value, token.line)]

    def _if(self, token: Token) -> list[tree.Statement]:
        test = self.expression(0)
        self._then()
        effects = self._settled()
        blocks = [self.block()]
        while self.sees_name("elsif", "else"):
            if self.step().value == "elsif":
                self.expression(0)
                self._then()
                effects += self._settled()
            blocks.append(self.block())
        self._end()
        return [*effects, tree.Branch(test, tuple(blocks), token.line)]

    def _then(self) -> None:
        if self.sees_name("then", "do"):
            self.step()

    def _while(self, token: Token) -> list[tree.Statement]:
        test = self.expression(0)
        self._then()
        body = self.block()
        self._end()
        return [*self._settled(), tree.Do(test, token.line), tree.Loop(None, None, body, token.line)]

    def _for(self, token: Token) -> list[tree.Statement]:
        target = self._block_target()
        if self.sees_name("in"):
            self.step()
        over = self.expression()
        self._then()
        body = self.block()
        self._end()
        return [tree.Loop(target, over, body, token.line)]

    def _block_target(self) -> tree.Expression:
        names: list[tree.Expression] = []
        while self.now.kind in ("name", "variable") and not self.sees_name("in"):
            token = self.step()
            self._known.add(token.value)
            names.append(tree.Name(token.value, token.line))
            self.take(",")
        return names[0] if len(names) == 1 else tree.Sequence(tuple(names), self.now.line)

    def _case(self, token: Token) -> list[tree.Statement]:
        subject = None if self.now.kind == "line" else self.expression()
        blocks: list[tree.Block] = []
        self.block()
        while self.sees_name("when", "else", "in"):
            if self.step().value != "else":
                self._listing += 1
                self.expression()
                while self.take(","):
                    self.skip_lines()
                    self.expression()
                self._listing -= 1
                self._then()
            blocks.append(self.block())
        self._end()
        return [*self._settled(), tree.Branch(subject, tuple(blocks), token.line)]

    def _begin(self, token: Token) -> list[tree.Statement]:
        body = self.block()
        rescues = self._rescues()
        self._end()
        return [tree.Group((body,), token.line), *rescues]

    def _rescues(self) -> list[tree.Statement]:
        done: list[tree.Statement] = []
        while self.sees_name("rescue", "ensure", "else"):
            word = self.step()
            while word.value == "rescue" and self.now.kind not in ("line", "end") and not self.sees_name("then"):
                if self.step().value == "=>" and self.now.kind == "name":
                    self._known.add(self.now.value)
            body = self.block()
            done.append(
                tree.Group((body,), word.line) if word.value == "ensure" else tree.Branch(None, (body,), word.line)
            )
        return done

    def _end(self) -> None:
        if self.sees_name("end"):
            self.step()

    # Expressions

    def is_operator(self, token: Token) -> bool:
        """`*`, `-`, `[`, `<<` before an argument are no operators; handled where commands are read."""
        return token.kind == "sign" or token.value in ("and", "or")

    def variable(self) -> tree.Expression:
        """`@name` belongs to the object, `$name` to the script."""
        token = self.step()
        if token.value.startswith("@"):
            return tree.Attribute(tree.Name("self", token.line), token.value.lstrip("@"), token.line)
        return tree.Name(token.value, token.line)

    def may_call(self, base: tree.Expression) -> bool:
        """A bracket right behind a name; one after a blank is an argument in brackets."""
        return not self.now.spaced and isinstance(uncalled(base), (tree.Name, tree.Attribute))

    def may_index(self, base: tree.Expression) -> bool:  # noqa: ARG002  # the base's signature
        """An index stands right behind what it belongs to."""
        return not self.now.spaced

    def may_select(self) -> bool:
        """An attribute, or `.(…)`."""
        return self.ahead().kind in ("name", "variable")

    def postfix(self, base: tree.Expression) -> tree.Expression:
        """As elsewhere, with commands without brackets, chains over line ends, and blocks."""
        while True:
            base = super().postfix(base)
            if self.now.kind == "line" and self._chain_goes_on():
                self.skip_lines()
                continue
            if self.sees("{") and isinstance(base, tree.Apply) and self._takes_block(base):
                base = self._with_block(base, brace=True)
            elif self.sees_name("do") and isinstance(base, tree.Apply) and self._takes_block(base):
                base = self._with_block(base, brace=False)
            else:
                return base

    def _chain_goes_on(self) -> bool:
        at = self.at
        while at < len(self.tokens) and self.tokens[at].kind == "line":
            at += 1
        return at < len(self.tokens) and self.tokens[at].kind == "sign" and self.tokens[at].value in (".", "&.")

    def _takes_block(self, base: tree.Apply) -> bool:
        return not (base.arguments and isinstance(base.arguments[-1], tree.Closure))

    def _with_block(self, base: tree.Apply, *, brace: bool) -> tree.Expression:
        line = self.step().line
        parameters: tuple[tree.Parameter, ...] = ()
        self.skip_lines()
        if self.take("|"):
            parameters = self._parameters("|")
        before, self._listing = self._listing, 0
        outer = list(self.pending)
        self.pending.clear()
        body = [*self.block(brace=brace)]
        self.pending.extend(outer)
        self._listing = before
        if brace:
            self.take("}")
        else:
            body += self._rescues()
            self._end()
        closure = tree.Closure(parameters, _giving_last(body), line)
        return tree.Apply(base.function, (*base.arguments, closure), base.named, base.line)

    def selected(self, base: tree.Expression) -> tree.Expression:
        """A method call, with or without brackets; a constant of a module."""
        sign = self.step()
        token = self.step()
        attribute = tree.Attribute(base, token.value, token.line)
        if sign.value == "::" and token.value[:1].isupper() and not self.sees("("):
            return attribute
        if self.sees("(") and not self.now.spaced:
            return attribute
        return self._command(attribute, token)

    def word(self) -> tree.Expression:
        """A variable, a constant, a word of the language, or a command."""
        token = self.now
        if token.value in ("if", "unless", "case", "begin", "while"):
            return self._as_value()
        if token.value in _KEYWORDS and token.value not in ("self", "nil", "true", "false", "super", "yield", "not"):
            return tree.Const(None, token.line)
        if token.value in ("self", "nil", "true", "false"):
            return super().word()
        self.step()
        if token.value == "not":
            return self.unary()
        name = tree.Name(token.value, token.line)
        if token.value in self._known or (self.sees("(") and not self.now.spaced):
            return name
        if token.value[:1].isupper() and not self._argument_follows():
            return name
        if self.sees(":") and not self.now.spaced and self.ahead().kind == "name" and not self.ahead().spaced:
            return name
        return self._command(name, token)

    def _as_value(self) -> tree.Expression:
        """`x = if …`: its blocks count, and their last values are one list of choices."""
        line = self.now.line
        statements = self._plain_statement()
        closure = tree.Closure((), _giving_last(statements), line)
        return tree.Apply(closure, (), (), line)

    def _command(self, function: tree.Expression, token: Token) -> tree.Expression:
        """`name argument, argument` up to the end of the line, or a call without arguments."""
        if not self._argument_follows():
            return tree.Apply(function, (), (), token.line)
        values: list[tree.Expression] = []
        pairs: list[tuple[tree.Expression, tree.Expression]] = []
        while True:
            self.element(values, pairs)
            if not self.sees(","):
                break
            self.step()
            self.skip_lines()
        if pairs:
            values.append(tree.Mapping(tuple(pairs), token.line))
        return tree.Apply(function, tuple(values), (), token.line)

    def _argument_follows(self) -> bool:
        """Whether the token behind a name begins an argument of it."""
        token, after = self.now, self.ahead()
        if not token.spaced or token.kind in ("line", "end"):
            return False
        if token.kind in ("text", "number", "variable"):
            return True
        if token.kind == "name":
            return token.value not in _KEYWORDS or token.value in ("self", "nil", "true", "false", "not", "super")
        if token.value in ("[", "(", "->"):
            return True
        if token.value in ("*", "&", "-", "::", ":"):
            return not after.spaced
        return False

    def primary(self) -> tree.Expression:
        """With symbols, lambdas and `defined?`."""
        token = self.now
        if self.sees(":") and self.ahead().kind in ("name", "text") and not self.ahead().spaced:
            self.step()
            name = self.step()
            return self.text(name) if name.kind == "text" else const(name.value, token.line)
        if self.take("->"):
            parameters = self._parameters(")") if self.take("(") else ()
            applied = self._with_block(tree.Apply(tree.Name("lambda", token.line)), brace=self.sees("{"))
            closure = applied.arguments[-1] if isinstance(applied, tree.Apply) else None
            return tree.Closure(parameters, closure.body, token.line) if isinstance(closure, tree.Closure) else applied
        if self.take("::"):
            return self.primary()
        return super().primary()

    def texts(self) -> tree.Expression:
        """Texts side by side are one."""
        parts = [self.text(self.step())]
        while self.now.kind == "text" or (self.sees("\\") and self.ahead().kind == "text"):
            self.take("\\")
            parts.append(self.text(self.step()))
        return parts[0] if len(parts) == 1 else tree.Glue(tuple(parts), parts[0].line)

    def inner(self, source: str, line: int) -> tree.Expression:
        """An expression inside a text; it knows the same variables."""
        self.deeper()
        try:
            return Ruby(source, line, self._depth, self._known).expression()
        finally:
            self._depth -= 1


def _giving_last(body: list[tree.Statement]) -> tree.Block:
    """The last expression of a body is its value."""
    if not body:
        return ()
    last = body[-1]
    if isinstance(last, tree.Do):
        body = [*body[:-1], tree.Give(last.value, last.line)]
    elif isinstance(last, tree.Assign) and not last.operator:
        body = [*body, tree.Give(last.target, last.line)]
    elif isinstance(last, tree.Branch):
        blocks = tuple(_giving_last(list(block)) for block in last.blocks)
        body = [*body[:-1], tree.Branch(last.test, blocks, last.line)]
    return tuple(body)


def read_ruby(source: str) -> tree.Block:
    """Parse `source`.

    Raises:
        Limit: too many tokens or nested too deeply.
    """
    return Ruby("\n" + source.replace("\r\n", "\n"), 0).script()
