"""From a rule to a document: the inverse of `parse`. What is empty or a default is left out."""

import json

import msgspec

from ruleforge.rules import document as doc
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Product, Root, Rule, Sequence, Some
from ruleforge.rules.values import VALUE_TYPES, write_literal


def dump_rule(rule: Rule) -> dict[str, object]:
    """Write a rule as plain data; `parse_rule` gives the same rule back."""
    given: dict[str, object] = {"schema": rule.schema, "id": rule.id, "revision": rule.revision, "event": rule.event}
    for key in doc.TEXTS:
        given[key] = getattr(rule, key)
    for key in doc.LISTS:
        given[key] = list(getattr(rule, key))
    given["products"] = [_dump_product(product) for product in rule.products]
    given["when"] = dump_tree(rule.when)
    given["classes"] = dict(rule.classes)
    return {key: given[key] for key in doc.KEYS if given[key] not in ("", [], {})}


def render_json(rule: Rule) -> str:
    """Write a rule as the text of its `rule.json`: two blanks of indent, a line feed at the end."""
    return json.dumps(dump_rule(rule), indent=2, ensure_ascii=False) + "\n"


def dump_tree(tree: Root) -> dict[str, object]:
    """Write a tree as plain data, as `when` holds it."""
    match tree:
        case Condition():
            return _dump_condition(tree)
        case AllOf(parts):
            return {"all": [dump_tree(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [dump_tree(part) for part in parts]}
        case Not(part):
            return {"not": dump_tree(part)}
        case Some(place, where):
            return {"some": place, "where": dump_tree(where)}
        case Count():
            return {"count": _dump_count(tree)}
        case Sequence(steps, by, within):
            return {"sequence": [dump_tree(step) for step in steps], "by": list(by), "within": _dump_duration(within)}


def _dump_product(product: Product) -> dict[str, object]:
    data: dict[str, object] = {"vendor": product.vendor, "product": product.product}
    return data | {"versions": product.versions} if product.versions else data


def _dump_condition(condition: Condition) -> dict[str, object]:
    data: dict[str, object] = {"field": condition.field}
    if condition.name is not None:
        data["name"] = _dump_name(condition.name)
    if condition.transforms:
        data["transforms"] = list(condition.transforms)
    data["op"] = condition.op
    kind = VALUE_TYPES[OPERATORS[condition.op].takes]
    if kind.schema is not None:
        data["value"] = kind.write(condition.value)
    return data


def _dump_name(name: Name) -> object:
    text = write_literal(name.text)
    return text if name.how == "exact" else {name.how: text}


def _dump_count(count: Count) -> dict[str, object]:
    data = msgspec.structs.asdict(count) | {"when": dump_tree(count.when), "by": list(count.by)}
    data["within"] = _dump_duration(data.pop("within_seconds"))
    order = ("when", "by", "within", "at_least", "distinct")
    return {key: data[key] for key in order if data[key] is not None}


def _dump_duration(seconds: int) -> str:
    unit = next(unit for unit, size in reversed(doc.SECONDS.items()) if seconds % size == 0)
    return f"{seconds // doc.SECONDS[unit]}{unit}"
