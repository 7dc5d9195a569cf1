"""Reads a script as its author would: follows values through it, and writes down the requests. Nothing is executed.

Every branch counts, a loop is read for its first elements, calls are followed into the script's own functions, and what
only a real run knows becomes a gap with a name.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec

from ruleforge.errors import InputError
from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import tree
from ruleforge.sources.poc_code.ledger import Ledger
from ruleforge.sources.poc_code.operations import operate
from ruleforge.sources.poc_code.texts import joined
from ruleforge.sources.poc_code.values import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_LINEAGE,
    Arguments,
    Blueprint,
    Bound,
    Budget,
    Frame,
    Function,
    Limit,
    Map,
    Symbol,
    Thing,
    Unknown,
    Value,
    text,
)

COPIED = 8  # variables or elements that one step copies
MAX_ARGUMENTS = 200  # of one call
MAX_ROUNDS = 6  # elements of a loop that are read
MAX_CALLS = 10  # calls of the script's functions within one another


class Library(msgspec.Struct, frozen=True):
    """What a language's own and its HTTP libraries do.

    A function gives NotImplemented where it has nothing to say, and the general rule holds.
    """

    functions: Mapping[str, Callable[["Interpreter", Arguments], Any]]
    methods: Mapping[str, Callable[["Interpreter", Value, Arguments], Any]]  # "kind.name", ".name" of any receiver
    globals: Mapping[str, str] = {}  # names that stand for something from the start → symbol
    receivers: tuple[str, ...] = ("self", "this")
    implicit_self: bool = False  # a bare name may be a method of the object we are in
    entries: tuple[str, ...] = ("main", "exploit", "run", "check", "attack", "pwn", "run_host")  # read before others
    joins_with: tuple[str, ...] = ("+",)  # operators that put texts together


class Interpreter(Ledger):
    """Reads one script. Use `read`, then look at `requests` and `problems`."""

    def __init__(self, library: Library, budget: Budget | None = None) -> None:
        super().__init__(budget)
        self.library = library
        self.frame = Frame()
        self._depth = 0
        self._calls: list[int] = []  # functions being read, by identity of their body
        self._read_bodies: set[int] = set()
        self._functions: list[tuple[Function, Value]] = []

    def read(self, script: tree.Block) -> None:
        """Read `script` from top to end, then the functions that nothing called; a bound reached ends it early."""
        for name, symbol in self.library.globals.items():
            self.frame.values[name] = Symbol(symbol)
        if self.library.implicit_self:
            self.frame.values["self"] = Thing("script")
        try:
            self.run(script, self.frame)
            self._read_the_rest()
        except Limit as limit:
            self.problem(str(limit))
        self.finish()

    def _read_the_rest(self) -> None:
        """Functions that a framework or a thread calls: read them with gaps for arguments, entry points first."""
        instances: dict[int, Thing] = {}
        order = [*self._functions]
        entries = self.library.entries
        order.sort(key=lambda each: entries.index(each[0].name) if each[0].name in entries else len(entries))
        for function, blueprint in order:
            if id(function.body) in self._read_bodies:
                continue
            if not isinstance(blueprint, Blueprint):
                self.invoke(function, Arguments())
                continue
            if id(blueprint) not in instances:
                instances[id(blueprint)] = self.make(blueprint, Arguments())
            self.invoke(function, Arguments(), instances[id(blueprint)])

    # Statements

    def run(self, block: tree.Block, frame: Frame) -> None:
        """Read `block` with the variables of `frame`.

        Raises:
            Limit: a bound was reached.
        """
        for statement in block:
            if frame.done:
                return
            self.budget.charge()
            self._depth += 1
            before, self.frame = self.frame, frame
            try:
                if self._depth <= MAX_DEPTH:
                    self._statement(statement, frame)
                else:
                    self.problem(f"line {statement.line}: nested too deeply")
            except InputError as error:
                self.problem(f"line {statement.line}: {error.what}")
            finally:
                self._depth -= 1
                self.frame = before

    def _statement(self, node: tree.Statement, frame: Frame) -> None:
        if isinstance(node, tree.Assign):
            value = self.value(node.value)
            if node.operator:
                value = operate(self, node.operator, [self.value(node.target), value], self.library.joins_with)
            self.assign(node.target, value)
        elif isinstance(node, tree.Do):
            self.value(node.value)
        elif isinstance(node, tree.Give):
            self._give(node, frame)
        elif isinstance(node, tree.Branch):
            self._branch(node, frame)
        elif isinstance(node, tree.Group):
            for block in node.blocks:
                self.run(block, frame)
        elif isinstance(node, tree.Loop):
            self._loop(node, frame)
        elif isinstance(node, tree.Bind):
            frame.values[node.name] = Symbol(node.symbol)
        elif isinstance(node, tree.Share):
            frame.shared.update(node.names)
        else:
            self._define(node, frame)

    def _give(self, node: tree.Give, frame: Frame) -> None:
        frame.results.append(None if node.value is None else self.value(node.value))
        frame.done = frame.conditional == 0

    def _branch(self, node: tree.Branch, frame: Frame) -> None:
        """All blocks from the same start; afterwards the first of them that knows a variable has its say."""
        if node.test is not None:
            self.value(node.test)
        self.budget.charge(len(frame.values) // COPIED)
        start, after = frame.values, dict(frame.values)
        decided: set[str] = set()
        frame.conditional += 1
        for block in node.blocks:
            self.budget.charge(len(start) // COPIED)
            frame.values = dict(start)
            self.run(block, frame)
            for name, value in frame.values.items():
                if name not in decided and (name not in start or start[name] is not value):
                    after[name] = value
                    if value is not None and not isinstance(value, Unknown):
                        decided.add(name)
        frame.values = after
        frame.conditional -= 1

    def _loop(self, node: tree.Loop, frame: Frame) -> None:
        over = None if node.over is None else self.value(node.over)
        rounds = self._elements(over, node.target) if node.target is not None else [None]
        frame.conditional += 1
        for element in rounds:
            if node.target is not None:
                self.assign(node.target, element)
            self.run(node.body, frame)
        frame.conditional -= 1

    def _elements(self, over: Value, target: tree.Expression | None) -> list[Value]:
        """The first elements of what a loop goes over; one gap where it is unknown."""
        if isinstance(over, list):
            return over[:MAX_ROUNDS]
        if isinstance(over, Map):
            pairs = isinstance(target, tree.Sequence)
            return [[key, value] if pairs else key for key, value in islice(over.pairs(), MAX_ROUNDS)]
        return [Unknown(_name_of(target))]

    def _define(self, node: tree.Define | tree.DefineClass, frame: Frame) -> None:
        if isinstance(node, tree.DefineClass):
            inner, before = Frame(frame), len(self._functions)
            self.run(node.body, inner)
            bases = tuple(self.value(base) for base in node.bases)
            blueprint = Blueprint(node.name, inner.values, bases)
            if len(blueprint.lineage) >= MAX_LINEAGE:
                self.problem(f"a class is made from {MAX_LINEAGE - 1} others or more; what is beyond was left out")
            frame.values[node.name] = blueprint
            self._functions[before:] = [(function, blueprint) for function, _ in self._functions[before:]]
            return
        function = Function(node.name, node.parameters, node.body, frame, node.binds_receiver)
        frame.values[node.name] = function
        if len(self._functions) < MAX_ITEMS:
            self._functions.append((function, None))

    def assign(self, target: tree.Expression, value: Value) -> None:
        """Give `target` its value; a gap takes the name of its variable when that says more."""
        if isinstance(target, tree.Sequence):
            return self._take_apart(target, value)
        name = _name_of(target)
        if isinstance(value, (Unknown, Symbol)) and name and _says_little(value):
            value = Unknown(name)
        if isinstance(target, tree.Name):
            shared = target.id in self.frame.shared or (self._shares(target.id))
            home = self.frame.find(target.id) if shared else None
            (home or self.frame).values[target.id] = value
        elif isinstance(target, tree.Attribute):
            base = self.value(target.base)
            if isinstance(base, Thing):
                if base.fields.get(target.name) is None or len(base.fields) < MAX_ITEMS:
                    base.fields[target.name] = value
            elif isinstance(base, Blueprint):
                base.members[target.name] = value
        elif isinstance(target, tree.Item):
            self._put(self.value(target.base), self.value(target.key), value)
        return None

    def _shares(self, name: str) -> bool:
        """Whether `name` belongs to an outer frame: in closures and blocks it does, when it is set there."""
        return bool(self.frame.values.get("\0closure")) and self.frame.find(name) is not None

    def _take_apart(self, target: tree.Sequence, value: Value) -> None:
        for position, part in enumerate(target.items):
            known = value[position] if isinstance(value, list) and position < len(value) else Unknown(_name_of(part))
            self.assign(part, known)

    def _put(self, base: Value, key: Value, value: Value) -> None:
        if isinstance(base, Map):
            self.put(base, key, value)
        elif isinstance(base, list):
            if isinstance(key, int) and -len(base) <= key < len(base):
                base[key] = value
            elif len(base) < MAX_ITEMS:
                base.append(value)
        elif isinstance(base, Thing):
            inner = base.fields.setdefault("items", Map())
            if isinstance(inner, Map):
                self.put(inner, key, value)

    # Expressions

    def value(self, node: tree.Expression | None) -> Value:
        """What `node` is, as far as the script says.

        Raises:
            Limit: a bound was reached.
        """
        if node is None:
            return None
        self.budget.charge()
        if self._depth > MAX_DEPTH:
            self.problem(f"line {node.line}: nested too deeply")
            return Unknown()
        self._depth += 1
        try:
            done = _READ[type(node)](self, node)
            self._charge_copy(done, node)
        except InputError as error:
            self.problem(f"line {node.line}: {error.what}")
            return Unknown()
        finally:
            self._depth -= 1
        return done

    def _charge_copy(self, value: Value, node: tree.Expression) -> None:
        """What an expression may have made anew costs by its size, so that a script cannot keep a thousand of it."""
        if isinstance(node, (tree.Const, tree.Name, tree.Attribute, tree.Item)):
            return
        if isinstance(value, Text):
            self.budget.charge(len(value.data) >> 10)
        elif isinstance(value, (list, Map)):
            self.budget.charge((len(value) if isinstance(value, list) else len(value.entries)) // COPIED)

    def _const(self, node: tree.Const) -> Value:
        return node.value

    def _name(self, node: tree.Name) -> Value:
        home = self.frame.find(node.id)
        return home.values[node.id] if home is not None else Symbol(node.id)

    def receiver(self) -> Value:
        """The object whose method is being read, where the language has it implied."""
        home = self.frame.find("self") if self.library.implicit_self else None
        return home.values["self"] if home is not None else None

    def _attribute(self, node: tree.Attribute) -> Value:
        return self.attribute(self.value(node.base), node.name)

    def attribute(self, base: Value, name: str) -> Value:
        """`base.name`."""
        if isinstance(base, Symbol):
            return Symbol(f"{base.name}.{name}"[:200])
        if isinstance(base, Thing):
            if name in base.fields:
                return base.fields[name]
            member = base.blueprint.find(name) if base.blueprint else None
            if member is not None and not isinstance(member, Function):
                return member
        if isinstance(base, Blueprint):
            member = base.find(name)
            if member is not None:
                return member
        if isinstance(base, Map) and base.has(name):  # objects of JavaScript
            return base.get(name)
        return Bound(base, name)

    def _item(self, node: tree.Item) -> Value:
        base, key = self.value(node.base), self.value(node.key)
        if isinstance(base, Thing) and isinstance(base.fields.get("items"), Map):
            base = base.fields["items"]
        if isinstance(base, Map):
            return base.get(key) if base.has(key) else Unknown(self._key_name(key))
        if isinstance(base, list) and isinstance(key, int) and -len(base) <= key < len(base):
            return base[key]
        if isinstance(base, Text) and isinstance(key, int) and -len(base.data) <= key < len(base.data):
            key %= len(base.data)
            return base.cut(key, key + 1)
        if isinstance(base, Unknown) and base.name:
            return Unknown(self._key_name(key) or base.name)
        return Unknown(self._key_name(key) or ("argument" if isinstance(base, Symbol) else ""))

    @staticmethod
    def _key_name(key: Value) -> str:
        return key.data[:60].decode("latin-1") if isinstance(key, Text) else ""

    def _slice(self, node: tree.Slice) -> Value:
        base, low, high = self.value(node.base), self.value(node.low), self.value(node.high)
        if not (isinstance(low, int) or low is None) or not (isinstance(high, int) or high is None):
            return base
        if isinstance(base, list):
            return base[low:high]
        if isinstance(base, Text):
            start, stop, _ = slice(low, high).indices(len(base.data))
            return base.cut(start, max(start, stop))
        return base

    def _spread(self, node: tree.Spread) -> Value:
        return self.value(node.value)

    def _sequence(self, node: tree.Sequence) -> Value:
        done: list[Value] = []
        for item in self.first(node.items, MAX_ITEMS):
            value = self.value(item)
            if isinstance(item, tree.Spread) and isinstance(value, list):
                done += self.first(value, MAX_ITEMS - len(done), MAX_ITEMS)
            elif len(done) < MAX_ITEMS:
                done.append(value)
            else:
                self.cut_short(MAX_ITEMS)
        return done

    def _mapping(self, node: tree.Mapping) -> Value:
        done = Map()
        for key, value in self.first(node.pairs, MAX_ITEMS):
            given = self.value(value)
            if isinstance(key, tree.Spread):
                for each in given.pairs() if isinstance(given, Map) else ():
                    self.put(done, *each)
            else:
                name = self.value(key)
                if isinstance(given, (Unknown, Symbol)) and _says_little(given) and isinstance(name, Text):
                    given = Unknown(self._key_name(name))
                self.put(done, name, given)
        return done

    def _glue(self, node: tree.Glue) -> Value:
        return joined([self.text(self.value(part)) for part in node.parts])

    def _operation(self, node: tree.Operation) -> Value:
        return operate(self, node.operator, [self.value(each) for each in node.operands], self.library.joins_with)

    def _choice(self, node: tree.Choice) -> Value:
        self.value(node.test)
        yes, no = self.value(node.yes), self.value(node.no)
        return no if yes is None or isinstance(yes, (Unknown, Symbol)) else yes

    def _each(self, node: tree.Each) -> Value:
        done: list[Value] = []
        over = self.value(node.over)
        elements = over if isinstance(over, list) else self._elements(over, node.target)
        for element in elements[:256]:
            self.assign(node.target, element)
            done.append(self.value(node.element))
        return done

    def _closure(self, node: tree.Closure) -> Value:
        return Function("", node.parameters, node.body, self.frame, binds_receiver=False, is_closure=True)

    # Calls

    def _apply(self, node: tree.Apply) -> Value:
        function = self.value(node.function)
        values: list[Value] = []
        for each in self.first(node.arguments, MAX_ARGUMENTS):
            given = self.value(each)
            if isinstance(each, tree.Spread) and isinstance(given, list):
                values += self.first(given, MAX_ARGUMENTS)
            else:
                values.append(given)
        return self.call(function, Arguments(tuple(values), self._named_arguments(node), node.line))

    def _named_arguments(self, node: tree.Apply) -> dict[str, Value]:
        named: dict[str, Value] = {}
        for name, expression in self.first(node.named, MAX_ARGUMENTS):
            given = self.value(expression)
            if name:
                named[name] = given
            elif isinstance(given, Map):
                self.budget.charge(len(given.entries) // COPIED)
                named.update({self.text(k).data.decode("latin-1"): v for k, v in given.pairs()})
        return named

    def call(self, function: Value, arguments: Arguments) -> Value:
        """`function(*arguments)`: into the script's own functions, or by what the library says."""
        if isinstance(function, Function):
            return self.invoke(function, arguments, None if function.is_closure else self.receiver())
        if isinstance(function, (Text, int, float, list, Map, Thing, Unknown)) and not arguments.values:
            return function  # `a.b` that turned out to be a value
        if isinstance(function, Blueprint):
            return self.make(function, arguments)
        if isinstance(function, Symbol):
            known = self.library.functions.get(function.name)
            if known is None and "." in function.name:
                known = self.library.functions.get("*." + function.name.rpartition(".")[2])
            elif known is None and self.library.implicit_self:
                inherited = self._of_receiver(function.name)
                if isinstance(inherited, Function):
                    return self.invoke(inherited, arguments, self.receiver())
            done = NotImplemented if known is None else known(self, arguments)
        elif isinstance(function, Bound):
            done = self._method(function.receiver, function.name, arguments)
        else:
            done = NotImplemented
        if done is not NotImplemented:
            return done  # type: ignore[no-any-return]
        return self._unknown_call(function, arguments)

    def _of_receiver(self, name: str) -> Value:
        receiver = self.receiver()
        return receiver.blueprint.find(name) if isinstance(receiver, Thing) and receiver.blueprint else None

    def _unknown_call(self, function: Value, arguments: Arguments) -> Value:
        """A call nobody knows: functions among its arguments are called by it, as threads and pools do."""
        for position, given in enumerate((*arguments.values, *arguments.named.values())):
            if isinstance(given, Bound) and isinstance(given.receiver, Thing) and given.receiver.blueprint:
                self._method(given.receiver, given.name, Arguments(line=arguments.line))
            elif isinstance(given, Function):
                rest = arguments.named.get("args", list(arguments.values[position + 1 :]))
                self.invoke(given, Arguments(tuple(rest) if isinstance(rest, list) else (), {}, arguments.line))
        if isinstance(function, (Symbol, Bound)):
            return Unknown(function.name.rpartition(".")[2][:60] + "()")
        return Unknown()

    def _method(self, receiver: Value, name: str, arguments: Arguments) -> Any:  # noqa: ANN401  # or NotImplemented
        if isinstance(receiver, Thing):
            member = receiver.blueprint.find(name) if receiver.blueprint else None
            if isinstance(member, Function):
                return self.invoke(member, arguments, receiver)
            known = self.library.methods.get(f"{receiver.kind}.{name}")
            known = known or (self._inherited(receiver, name) if receiver.blueprint else None)
            if known is not None:
                return known(self, receiver, arguments)
        known = self.library.methods.get(f"{_kind(receiver)}.{name}") or self.library.methods.get("." + name)
        return NotImplemented if known is None else known(self, receiver, arguments)

    def _inherited(self, receiver: Thing, name: str) -> Callable[["Interpreter", Value, Arguments], Any] | None:
        """A method of a library's class that the script's class is made from."""
        for base in receiver.blueprint.symbols() if receiver.blueprint else ():
            if f"{base}.{name}" in self.library.methods:
                return self.library.methods[f"{base}.{name}"]
        return None

    def make(self, blueprint: Blueprint, arguments: Arguments) -> Thing:
        """A new instance of a class of the script."""
        instance = Thing("instance", blueprint)
        start = blueprint.find("__init__") or blueprint.find("initialize") or blueprint.find("__construct")
        start = start or blueprint.find("constructor")
        if isinstance(start, Function):
            self.invoke(start, arguments, instance)
        return instance

    def invoke(self, function: Function, arguments: Arguments, receiver: Value = None) -> Value:
        """Read the body of `function` with its parameters bound; a call of itself, or too deep, is a gap."""
        identity = id(function.body)
        self._read_bodies.add(identity)
        if identity in self._calls or len(self._calls) >= MAX_CALLS:
            return Unknown(function.name)
        frame = Frame(function.home)
        if function.is_closure:
            frame.values["\0closure"] = True
        self._bind(function, arguments, receiver, frame)
        self._calls.append(identity)
        try:
            self.run(function.body, frame)
        finally:
            self._calls.pop()
        known = [each for each in frame.results if each is not None]
        certain = [each for each in known if not isinstance(each, (Unknown, bool))]
        return (certain or known or [None])[0]

    def _bind(self, function: Function, arguments: Arguments, receiver: Value, frame: Frame) -> None:
        parameters, values = function.parameters, list(arguments.values)
        if receiver is not None:
            for name in self.library.receivers:
                frame.values[name] = receiver
            if function.binds_receiver and parameters:
                values.insert(0, receiver)
        for position, parameter in enumerate(parameters):
            if parameter.gathers:
                frame.values[parameter.name] = values[position:]
                break
            if parameter.name in arguments.named:
                given = arguments.named[parameter.name]
            elif position < len(values):
                given = values[position]
            elif parameter.default is not None:
                given = self.value(parameter.default)
            else:
                given = Unknown(parameter.name)
            if isinstance(given, (Unknown, Symbol)) and _says_little(given):
                given = Unknown(parameter.name)
            frame.values[parameter.name] = given


def _kind(receiver: Value) -> str:
    if isinstance(receiver, Text):
        return "text"
    if isinstance(receiver, list):
        return "list"
    if isinstance(receiver, Map):
        return "map"
    return "gap" if isinstance(receiver, (Unknown, Symbol, Bound)) else "thing"


def _name_of(node: tree.Expression | None) -> str:
    if isinstance(node, tree.Name):
        return node.id[:60]
    if isinstance(node, tree.Attribute):
        return node.name[:60]
    if isinstance(node, tree.Item) and isinstance(node.key, tree.Const) and isinstance(node.key.value, Text):
        return node.key.value.data[:60].decode("latin-1")
    return ""


def _says_little(value: Unknown | Symbol) -> bool:
    """Whether the gap has no name of its own: the result of a call, an argument by number."""
    return isinstance(value, Unknown) and (not value.name or value.name.endswith("()") or value.name == "argument")


def pairs_of(reader: Interpreter, value: Value) -> list[tuple[Text, Text]]:
    """Names and values of a dict or of a list of pairs, as texts; a list as value repeats its name."""
    done: list[tuple[Text, Text]] = []
    for key, given in _pairs(value):
        name = reader.text(key)
        many: Sequence[Value] = given if isinstance(given, list) else [given]
        reader.budget.charge(len(many))
        done += [(name, _named(reader, name, each)) for each in many if each is not None]
    return done


def _pairs(value: Value) -> Iterable[tuple[Value, Value]]:
    if isinstance(value, Map):
        return value.pairs()
    if isinstance(value, list):
        return [(each[0], each[1]) for each in value if isinstance(each, list) and len(each) == 2]
    return ()


def _named(reader: Interpreter, name: Text, value: Value) -> Text:
    if isinstance(value, (Unknown, Symbol)) and _says_little(value):
        return reader.text(Unknown(name.data[:60].decode("latin-1")))
    return text(b"") if value is None else reader.text(value)


_READ: dict[type, Callable[[Interpreter, Any], Value]] = {
    tree.Const: Interpreter._const, tree.Name: Interpreter._name, tree.Attribute: Interpreter._attribute,
    tree.Item: Interpreter._item, tree.Slice: Interpreter._slice, tree.Spread: Interpreter._spread,
    tree.Apply: Interpreter._apply, tree.Sequence: Interpreter._sequence, tree.Mapping: Interpreter._mapping,
    tree.Glue: Interpreter._glue, tree.Operation: Interpreter._operation, tree.Choice: Interpreter._choice,
    tree.Each: Interpreter._each, tree.Closure: Interpreter._closure,
}  # fmt: skip
