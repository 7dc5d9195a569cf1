"""One small syntax tree for scripts of all languages: what matters for the text of a request, and nothing else."""

from typing import TypeAlias

import msgspec

from ruleforge.sources.nuclei.text import Text


class Const(msgspec.Struct, frozen=True):
    """A value written out."""

    value: Text | int | float | bool | None
    line: int = 0


class Name(msgspec.Struct, frozen=True):
    """A variable, a function, a module."""

    id: str
    line: int = 0


class Attribute(msgspec.Struct, frozen=True):
    """`base.name`, `base->name`, `base::name`."""

    base: "Expression"
    name: str
    line: int = 0


class Item(msgspec.Struct, frozen=True):
    """`base[key]`."""

    base: "Expression"
    key: "Expression"
    line: int = 0


class Slice(msgspec.Struct, frozen=True):
    """`base[low:high]`."""

    base: "Expression"
    low: "Expression | None"
    high: "Expression | None"
    line: int = 0


class Spread(msgspec.Struct, frozen=True):
    """`*value` or `**value` among arguments or elements."""

    value: "Expression"
    line: int = 0


class Apply(msgspec.Struct, frozen=True):
    """A call."""

    function: "Expression"
    arguments: tuple["Expression", ...] = ()
    named: tuple[tuple[str, "Expression"], ...] = ()
    line: int = 0


class Sequence(msgspec.Struct, frozen=True):
    """A list or tuple."""

    items: tuple["Expression", ...]
    line: int = 0


class Mapping(msgspec.Struct, frozen=True):
    """A dict, hash or object written out."""

    pairs: tuple[tuple["Expression", "Expression"], ...]
    line: int = 0


class Glue(msgspec.Struct, frozen=True):
    """A text with values in it, all one after the other."""

    parts: tuple["Expression", ...]
    line: int = 0


class Operation(msgspec.Struct, frozen=True):
    """Operands joined by one operator, from left to right."""

    operator: str
    operands: tuple["Expression", ...]
    line: int = 0


class Choice(msgspec.Struct, frozen=True):
    """`yes if test else no`."""

    test: "Expression"
    yes: "Expression"
    no: "Expression"
    line: int = 0


class Each(msgspec.Struct, frozen=True):
    """`[element for target in over]`."""

    element: "Expression"
    target: "Expression"
    over: "Expression"
    line: int = 0


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a function; `gathers` takes what is left over."""

    name: str
    default: "Expression | None" = None
    gathers: bool = False


class Closure(msgspec.Struct, frozen=True):
    """A function without a name."""

    parameters: tuple[Parameter, ...]
    body: "Block"
    line: int = 0


Expression: TypeAlias = (
    Const | Name | Attribute | Item | Slice | Spread | Apply | Sequence | Mapping | Glue | Operation | Choice | Each
    | Closure
)  # fmt: skip


class Assign(msgspec.Struct, frozen=True):
    """`target operator= value`; a Sequence as target takes the value apart."""

    target: Expression
    value: Expression
    operator: str = ""
    line: int = 0


class Do(msgspec.Struct, frozen=True):
    """An expression for its effect."""

    value: Expression
    line: int = 0


class Give(msgspec.Struct, frozen=True):
    """`return value`."""

    value: Expression | None
    line: int = 0


class Branch(msgspec.Struct, frozen=True):
    """Blocks of which a real run takes one; all of them count here."""

    test: Expression | None
    blocks: tuple["Block", ...]
    line: int = 0


class Group(msgspec.Struct, frozen=True):
    """Blocks one after the other, as `try … finally` has them."""

    blocks: tuple["Block", ...]
    line: int = 0


class Loop(msgspec.Struct, frozen=True):
    """A loop; without `over`, the body is read once."""

    target: Expression | None
    over: Expression | None
    body: "Block"
    line: int = 0


class Define(msgspec.Struct, frozen=True):
    """A named function."""

    name: str
    parameters: tuple[Parameter, ...]
    body: "Block"
    line: int = 0
    binds_receiver: bool = True  # its first parameter is the object, when it is called as a method


class DefineClass(msgspec.Struct, frozen=True):
    """A class."""

    name: str
    bases: tuple[Expression, ...]
    body: "Block"
    line: int = 0


class Bind(msgspec.Struct, frozen=True):
    """`import symbol as name`."""

    name: str
    symbol: str
    line: int = 0


class Share(msgspec.Struct, frozen=True):
    """Names that belong to an outer frame here: `global name`."""

    names: tuple[str, ...]
    line: int = 0


Statement: TypeAlias = Assign | Do | Give | Branch | Group | Loop | Define | DefineClass | Bind | Share
Block: TypeAlias = tuple[Statement, ...]
