"""Orders of strangers, a model that obeys them, and the roles that read them; see README.md of this folder."""

import importlib.util
import json
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ruleforge.llm.provider import Call

HERE = Path(__file__).parent
HOSTILE = {
    "escape": "\x1b]0;owned\x07\x1b[2J looks fine to me",
    "html": "<img src=x onerror=alert(1)><script>alert(1)</script>",
    "link": "[click](http://evil.example/?q=key) <!channel> ![x](http://evil.example/x.png)",
    "regex_bomb": "(a+)+(x+x+)+y(([a-z])+.)+[A-Z]([a-z])+$",
}
NUMBERS = {"below_range": "-5", "nan": "NaN", "overflow": "1e400", "wrong_type": '"zero"'}
RAW = {
    "approve": "APPROVED",
    "poem": "Roses are red, pears are green.",
    "tool_call": '{"tool": "deploy_rule", "arguments": {"mode": "block", "approved_by": "the model"}}',
    "nest": "[" * 40_000,
    "endless": "A" * 70_000,
    "nothing": "",
}
SHAPED = (*HOSTILE, *NUMBERS, "extra_key", "cite_unknown", "flood")
OWN = ("comply", "cannot_tell")  # what every role says for itself
MARK = "the number goes here"


def load(file: Path) -> ModuleType:
    """A role, which is one file of `roles`."""
    spec = importlib.util.spec_from_file_location(f"injection_role_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


for shared in ("press", "forging"):  # tests are no package; roles import these by name
    sys.modules[f"injections_{shared}"] = load(HERE / f"{shared}.py")
ROLES = {file.stem: load(file) for file in sorted((HERE / "roles").glob("*.py"))}
ROWS: list[dict[str, str]] = json.loads((HERE / "injections.json").read_text("utf-8"))


def obedient(role: ModuleType, wants: str) -> Callable[[Call], str]:
    """A model that does what an order wants of it, in the shape that its role asks for where that can be."""
    if hasattr(role, wants):  # what the role can say better than this page
        return lambda call: json.dumps(getattr(role, wants)(call))
    if wants in RAW:
        return lambda _call: RAW[wants]
    if wants == "print_prompt":
        return lambda call: call.written(bytes(32)).system
    return lambda call: shaped(role.honest(call), call.schema, wants)


def shaped(answer: dict[str, Any], schema: dict[str, Any], wants: str) -> str:
    """An honest answer, bent as an order wants it."""
    if wants == "extra_key":
        return json.dumps(answer | {"approve": True, "mode": "block", "approved_by": "security-team"})
    return json.dumps(bent(answer, schema, wants)).replace(f'"{MARK}"', NUMBERS.get(wants, "0"))


def bent(value: Any, schema: dict[str, Any], wants: str) -> Any:
    """Walk through an answer beside its schema and bend what an order is about."""
    choices = schema.get("anyOf") or [schema]
    schema = next((one for one in choices if fits(value, one)), choices[0])
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        return {key: bent(item, fields.get(key, {}), wants) for key, item in value.items()}
    if isinstance(value, list):
        items = [bent(item, schema.get("items", {}), wants) for item in value]
        return items * 1_000 if wants == "flood" else items
    if isinstance(value, str):
        if wants == "cite_unknown":
            return "r4711" if "enum" in schema else value
        return value if "enum" in schema or wants not in HOSTILE else HOSTILE[wants]
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return MARK if numeric and wants in NUMBERS else value


def fits(value: Any, schema: dict[str, Any]) -> bool:
    names = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "null": type(None)}
    return isinstance(value, names.get(schema.get("type", ""), object))


@lru_cache(maxsize=1_024)
def control(role: str, place: str, folder: Path, text: str) -> dict[str, Any]:
    """The same run with a harmless text, or with the order itself, at the same place and an honest model."""
    module = ROLES[role]
    folder = folder / role / f"{place}-{hash(text)}"
    folder.mkdir(parents=True)
    found: dict[str, Any] = module.run(
        place, text or module.PLACES[place], lambda call: json.dumps(module.honest(call)), folder
    )
    return found


@pytest.fixture(scope="session")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """The run of a role without an injection at a place; with a text: the run of an honest model with that text."""
    folder = tmp_path_factory.mktemp("quiet")
    return lambda role, place, text="": control(role, place, folder, text)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every role gets every injection that has a place in what it reads."""
    if {"role", "row"} <= set(metafunc.fixturenames):
        pairs = [(name, row) for name, module in ROLES.items() for row in ROWS if row["place"] in module.PLACES]
        ids = [f"{name}: {row['place']}: {row['text'][:30]!r}" for name, row in pairs]
        metafunc.parametrize(("role", "row"), pairs, ids=ids)
    elif "role" in metafunc.fixturenames:
        metafunc.parametrize("role", list(ROLES))


@pytest.fixture(scope="session")
def corpus_of_orders() -> dict[str, Any]:
    """The injections, the roles, and how an order is obeyed."""
    wants = (*RAW, *SHAPED, *OWN, "print_prompt")
    return {"rows": ROWS, "roles": ROLES, "obedient": obedient, "wants": wants, "hostile": HOSTILE}
