"""Error codes as the source uses them: which code, in which module, with which words."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Use(NamedTuple):
    """One place in the source where an error code is given a message."""

    code: str
    module: str
    message: str


def words_of(node: ast.expr) -> str:
    """The text of a message as far as it is known before the program runs; `…` for the rest."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(words_of(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return words_of(node.left) + words_of(node.right)
    if isinstance(node, ast.IfExp):
        return f"{words_of(node.body)} · {words_of(node.orelse)}"
    if isinstance(node, ast.Subscript):  # a message that is cut
        return words_of(node.value)
    return "…"


def assigned(lines: Sequence[ast.AST]) -> dict[str, ast.expr]:
    """What each name was given last."""
    return {
        target.id: line.value
        for line in lines
        if isinstance(line, ast.Assign)
        for target in line.targets
        if isinstance(target, ast.Name)
    }


CODE = re.compile(r"RF[0-9]{3}")


class Uses(ast.NodeVisitor):
    """Codes given as `code="RF…"`, as an argument before the message, by a constant, in a table, or by a class."""

    def __init__(self, tree: ast.Module, module: str) -> None:
        self.module = module
        self.found: list[Use] = []
        self.constants = assigned(tree.body)
        self.locals: dict[str, ast.expr] = {}
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self.locals = self.locals, assigned(list(ast.walk(node)))
        self.generic_visit(node)
        self.locals = outer

    def code_of(self, node: ast.expr | None) -> str:
        if isinstance(node, ast.Name):
            node = self.constants.get(node.id)
        text = node.value if isinstance(node, ast.Constant) else None
        return text if isinstance(text, str) and CODE.fullmatch(text) else ""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for line in node.body:
            if isinstance(line, ast.Assign | ast.AnnAssign) and self.code_of(line.value):
                meaning = (ast.get_docstring(node) or "").partition("\n")[0]
                self.found.append(Use(self.code_of(line.value), self.module, meaning))
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if self.code_of(key):
                self.found.append(Use(self.code_of(key), self.module, words_of(value)))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        named = [self.code_of(word.value) for word in node.keywords if word.arg == "code"]
        given = next(filter(None, named + [self.code_of(arg) for arg in node.args]), "")
        said = [arg for arg in node.args if not self.code_of(arg)]
        said += [word.value for word in node.keywords if word.arg == "what"]
        texts = [words_of(self.locals.get(arg.id, arg) if isinstance(arg, ast.Name) else arg) for arg in said]
        # The message is the one that reads like a sentence; places and sources are single words.
        message = next((text for text in texts if " " in text.strip()), "")
        if given:
            self.found.append(Use(given, self.module, message))
        self.generic_visit(node)


def uses_below(source: Path) -> list[Use]:
    """Every use of a code in the modules of a package, in the order of their names."""
    uses = []
    for file in sorted(source.rglob("*.py")):
        module = ".".join(file.relative_to(source.parent).with_suffix("").parts).removesuffix(".__init__")
        uses += Uses(ast.parse(file.read_bytes()), module).found
    return uses
