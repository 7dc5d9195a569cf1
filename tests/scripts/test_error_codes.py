"""The page of errors is only as good as what is found in the source."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = '''
LIMIT = "RF299"
TITLES = {"RF601": "a condition that can never hold"}

class Trouble(Error):
    """Something is wrong.

    More words.
    """

    code = "RF200"

def check(self, name):
    raise Trouble(f"unknown part {name!r}", where=name, code="RF201")
    self.problem("RF202", "when.all", "the list " + "is empty", "add one")
    Trouble("it is larger than allowed", code=LIMIT)
    plain("RFC 3986 is no code")

def other(name):
    what = f"no request {name}" if name else "no request there"
    raise Trouble(what, code="RF203")
    raise Trouble(f"the reader failed: {name}"[:300], code="RF204")
'''


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("error_codes", ROOT / "scripts" / "error_codes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_codes_are_found_however_they_are_given() -> None:
    found = script().Uses(ast.parse(SAMPLE), "sample").found
    assert [(use.code, use.message) for use in found] == [
        ("RF601", "a condition that can never hold"),
        ("RF200", "Something is wrong."),
        ("RF201", "unknown part …"),
        ("RF202", "the list is empty"),
        ("RF299", "it is larger than allowed"),
        ("RF203", "no request … · no request there"),
        ("RF204", "the reader failed: …"),
    ]


def test_every_code_in_the_source_is_found() -> None:
    source, codes = ROOT / "src" / "ruleforge", script()
    found = {use.code for use in codes.uses_below(source)}
    written = {
        node.value
        for file in source.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and codes.CODE.fullmatch(node.value)
    }
    assert len(written) >= 30
    assert found == written
