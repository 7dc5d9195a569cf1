"""The JSON Schema of rule documents, composed from the registries, for editors and for models that write rules.

What a schema cannot say and only the parser knows: the size of the document, a key given twice, depth and number of
nodes of the tree, lone surrogates, whether a pattern compiles, whether a network exists, whether bytes in base64 are a
path literal, and that `classes` lists exactly the payload classes the tree uses.
"""

from typing import Any

from ruleforge.events.kinds import EVENTS, HTTP, fields_of
from ruleforge.rules import document as doc
from ruleforge.rules.classes import CLASSES
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.transforms import MAX_TRANSFORMS, TRANSFORMS
from ruleforge.rules.values import LITERAL_SCHEMA, VALUE_TYPES

Schema = dict[str, Any]


def rule_schema(event: str = HTTP) -> Schema:
    """Compose the schema of a whole rule document about one kind of event."""
    properties: dict[str, Schema] = {
        "schema": {"const": doc.SCHEMA_VERSION},
        "revision": {"type": "integer", "minimum": 1, "maximum": doc.MAX_REVISION},
        "event": {"const": event},
        "when": {"$ref": "#/$defs/root"},
        "classes": _object({name: {"enum": list(versions)} for name, versions in CLASSES.items()}),
        "products": _list({"$ref": "#/$defs/product"}),
    }
    properties |= {key: text.schema() for key, text in doc.TEXTS.items()}
    properties |= {key: _list(text.schema()) for key, text in doc.LISTS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "RuleForge rule",
        **_object({key: properties[key] for key in doc.KEYS}, *doc.REQUIRED),
        "$defs": _definitions(event),
    }


def whole_schema() -> Schema:
    """Compose the schema of rule documents about any kind of event: `event` says which part holds."""
    kinds = [name for name in EVENTS if name != HTTP]
    # Without `event` a document is about requests, so that their condition does not require the key.
    named = [(name, {"properties": {"event": {"const": name}}, "required": ["event"]}) for name in kinds]
    named.append((HTTP, {"properties": {"event": {"const": HTTP}}}))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "RuleForge rule",
        "type": "object",
        "properties": {"event": {"enum": list(EVENTS)}},
        "allOf": [{"if": when, "then": {"$ref": f"#/$defs/{name}"}} for name, when in named],
        "$defs": {name: _moved(rule_schema(name), f"#/$defs/{name}/$defs/") for name in EVENTS},
    }


def _moved(schema: Any, place: str) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema whose definitions lie elsewhere."""
    if isinstance(schema, list):
        return [_moved(part, place) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: part.replace("#/$defs/", place) if key == "$ref" and isinstance(part, str) else _moved(part, place)
        for key, part in schema.items()
        if key != "$schema"
    }


def tree_schema(event: str = HTTP) -> Schema:
    """Compose the schema of `when` by itself."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "RuleForge tree",
        "$ref": "#/$defs/root",
        "$defs": _definitions(event),
    }


def _object(properties: dict[str, Schema], *required: str) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return schema | ({"required": list(required)} if required else {})


def _list(items: Schema, least: int = 0, most: int = doc.MAX_ITEMS) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _definitions(event: str) -> dict[str, Schema]:
    fields = [(name, field.kind) for name, field in fields_of(event).items()]
    named = [name for name, kind in fields if kind == "named"]
    single = [name for name, kind in fields if kind != "named"]
    tree: Schema = {"$ref": "#/$defs/tree"}
    some = _object({"some": {"enum": list(doc.SOME_PLACES)}, "where": {"$ref": "#/$defs/element"}}, "some", "where")
    return {
        "root": {"anyOf": [tree, _count(event), _sequence(event)]},
        "tree": {"anyOf": [*_combinations(tree), *([some] if event == HTTP else []), *_conditions(named, single)]},
        "element": {"anyOf": [*_combinations({"$ref": "#/$defs/element"}), *_conditions([], list(doc.ELEMENT_FIELDS))]},
        "literal": LITERAL_SCHEMA,
        "name": _name(),
        "product": _object({key: text.schema() for key, text in doc.PRODUCT.items()}, *doc.PRODUCT_REQUIRED),
    }


def _combinations(part: Schema) -> list[Schema]:
    parts = _list(part, 1, doc.MAX_NODES)
    return [_object({"all": parts}, "all"), _object({"any": parts}, "any"), _object({"not": part}, "not")]


def _conditions(named: list[str], single: list[str]) -> list[Schema]:
    """Describe conditions: one shape for each value type, with and without a name."""
    takers: dict[str, list[str]] = {}
    for op, operator in OPERATORS.items():
        takers.setdefault(operator.takes, []).append(op)
    shapes = [_condition(takes, ops, single, None) for takes, ops in takers.items()]
    if named:
        name = {"$ref": "#/$defs/name"}
        shapes += [_condition(takes, ops, named, name) for takes, ops in takers.items()]
    return shapes


def _condition(takes: str, ops: list[str], fields: list[str], name: Schema | None) -> Schema:
    properties: dict[str, Schema] = {"field": {"enum": fields}, "op": {"enum": ops}}
    if name is not None:
        properties["name"] = name
    most = 0 if takes == "class" else MAX_TRANSFORMS  # a payload class knows its own encodings
    properties["transforms"] = _list({"enum": list(TRANSFORMS.names())}, 0, most)
    value = {"enum": list(CLASSES)} if takes == "class" else VALUE_TYPES[takes].schema
    if value is None:
        return _object(properties, "field", "op")
    return _object({**properties, "value": value}, "field", "op", "value")


def _name() -> Schema:
    literal: Schema = {"$ref": "#/$defs/literal"}
    return {"anyOf": [literal, _object({"lower": literal}, "lower"), _object({"regex": literal}, "regex")]}


def _fields(event: str) -> Schema:
    return {"enum": list(fields_of(event))}


def _count(event: str) -> Schema:
    count = _object(
        {
            "when": {"$ref": "#/$defs/tree"},
            "by": _list(_fields(event), 1, doc.MAX_BY),
            "within": {"type": "string", "pattern": doc.DURATION},
            "at_least": {"type": "integer", "minimum": 1, "maximum": doc.MAX_AT_LEAST},
            "distinct": _fields(event),
        },
        "when",
        "by",
        "within",
        "at_least",
    )
    return _object({"count": count}, "count")


def _sequence(event: str) -> Schema:
    return _object(
        {
            "sequence": _list({"$ref": "#/$defs/tree"}, 2, doc.MAX_STEPS),
            "by": _list(_fields(event), 1, doc.MAX_BY),
            "within": {"type": "string", "pattern": doc.DURATION},
        },
        "sequence",
        "by",
        "within",
    )
