"""A form can be sent as an urlencoded or as a multipart body, and many servers read both alike: so does the rule."""

import re

import msgspec

from ruleforge.cases.anatomy import Anatomy
from ruleforge.cases.edit import target_of
from ruleforge.generate.facet import Facet
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Some, Tree

# PHP and ASP.NET hand the fields of both kinds of body to the program in one table.
_BOTH_PATH = re.compile(rb"(?i)\.(?:php\d?|phtml|aspx?|ashx|asmx)(?:/|\Z)|/wp-(?:admin|json|content|includes)(?:/|\Z)")
_BOTH_TAGS = frozenset(
    (
        "php",
        "wordpress",
        "wp",
        "wp-plugin",
        "wp-theme",
        "joomla",
        "drupal",
        "magento",
        "prestashop",
        "laravel",
        "thinkphp",
    )
)


def reads_both(anatomy: Anatomy, advisory: Advisory) -> bool:
    """Whether the server hands multipart fields to the program as it does urlencoded ones."""
    if _BOTH_PATH.search(target_of(anatomy.poc.request).path):
        return True
    return bool(_BOTH_TAGS.intersection(tag.lower() for tag in advisory.tags))


def ask_both(facet: Facet, anatomy: Anatomy) -> Facet:
    """Ask the same of the other kind of body, where the facet reads a field of the exploit's form."""
    sent = {part.name for part in anatomy.parts if part.place == "form_args"}
    fields = {part.name for part in anatomy.parts if part.place == "multipart" and part.filename is None}
    tree = facet.tree
    if isinstance(tree, Condition) and tree.field == "multipart" and tree.name and tree.name.text in fields:
        return msgspec.structs.replace(facet, tree=_both(msgspec.structs.replace(tree, field="args")))
    if isinstance(tree, AnyOf):
        parts = tuple(_both(part) if _reads_form(part, sent) else part for part in tree.parts)
        flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, AnyOf) else (part,)))
        return msgspec.structs.replace(facet, tree=AnyOf(tuple(dict.fromkeys(flat))))
    return msgspec.structs.replace(facet, tree=_both(tree)) if _reads_form(tree, sent) else facet


def _reads_form(tree: Tree, sent: set[bytes]) -> bool:
    match tree:
        case Condition(field="args", name=name):
            return bool(sent) and (name is None or name.how == "regex" or name.text in sent)
        case Some("args", where):
            wanted = _names(where)
            return bool(sent) and (not wanted or bool(wanted & sent))
    return False


def _names(where: Tree) -> set[bytes]:
    match where:
        case AllOf(parts) | AnyOf(parts):
            return set().union(*(_names(part) for part in parts))
        case Condition(field="name", op="equals", value=bytes(value)):
            return {value}
        case Condition(field="name", op="in", value=tuple(values)):
            return set(values)
    return set()


def _both(tree: Tree) -> Tree:
    match tree:
        case Condition():
            return AnyOf((tree, msgspec.structs.replace(tree, field="multipart")))
        case Some(_, where):
            return AnyOf((tree, Some("multipart", where)))
    return tree


def one_way(tree: Tree) -> Tree:
    """Return the question about arguments alone of a tree that asks the same of both kinds of body."""
    match tree:
        case AnyOf((first, second)) if _both(first) == tree and second != first:
            return first
    return tree


def both_ways(tree: Tree) -> Tree:
    """The inverse of `one_way`, for questions about arguments; others stay."""
    match tree:
        case Condition(field="args") | Some("args", _):
            return _both(tree)
    return tree
