r"""Many rules from few: copies whose own words are other words of the same shape.

Real rules are some thousands; an engine must hold for 20,000. A copy keeps the tree of its original and changes the
words of its literals (path segments, argument names, values): a vowel becomes a vowel, another consonant a consonant,
a digit a digit, case and punctuation stay. So a copy is as long, as deep and as hard to search for as its original.
Words that many rules share (`wp-content`, `index.php`) stay, as they would in the next thousand rules.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from ruleforge.errors import RuleError
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.patterns import compile_pattern
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Root, Rule, Some, conditions_of

SHARED_LEAST = 12  # a word of this many rules belongs to the trade, not to one product
_KEPT_FIELDS = frozenset({"method", "version", "headers", "content_type", "source.address", "response.status"})
_KEPT_OPERATORS = frozenset({"is_class", "cidr"})
_VOWELS, _CONSONANTS, _DIGITS = b"aeiou", b"bcdfghjklmnpqrstvwxyz", b"0123456789"
# What is passed over in a literal: an escaped byte, an escape of a JSON pointer.
_IN_TEXT = re.compile(rb"%[0-9A-Fa-f]{2}|~[01]|([A-Za-z0-9]+)")
# In a pattern also escapes, character classes, counts, groups.
_IN_REGEX = re.compile(
    rb"\\x[0-9A-Fa-f]{2}|\\x\{[^}]*\}|\\[pP]\{[^}]*\}|\\Q|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[0-9,]*\}|\(\?[^:)>=]*[:)]"
    rb"|%[0-9A-Fa-f]{2}|~[01]|([A-Za-z0-9]+)",
    re.DOTALL,
)

Replace = Callable[[bytes], bytes]


def multiply(rules: Sequence[Rule], count: int) -> tuple[Rule, ...]:
    """Return `count` valid rules that ask different things; the same for the same arguments.

    Fewer than there are: spread evenly over `rules`. More: all of them, then copies with their own words. Rules without
    a word of their own (nothing but a payload class) are not copied. Fewer than `count` only where nothing can be.
    """
    rules = tuple(rules)
    if count <= len(rules):
        return tuple(rules[index * len(rules) // count] for index in range(count))
    made, seen = list(rules), {content_hash(rule) for rule in rules}
    for rule in _copies(rules, _shared_words(rules)):
        if len(made) >= count:
            break
        asked = content_hash(rule)
        if asked not in seen:
            seen.add(asked)
            made.append(rule)
    return tuple(made)


def _copies(rules: Sequence[Rule], shared: frozenset[bytes]) -> Iterator[Rule]:
    """Yield copies round by round, until a whole round brings none."""
    rounds, copied = 0, True
    while copied:
        rounds, copied = rounds + 1, False
        for rule in rules:
            when = _rename(rule.when, _renaming(rounds, shared))
            if when == rule.when:  # nothing but words of the trade: then these are changed
                when = _rename(rule.when, _renaming(rounds, frozenset()))
            if when != rule.when:
                copied = True
                yield msgspec.structs.replace(rule, id=f"{rule.id[:100]}-copy{rounds}", when=when)


def _renaming(rounds: int, shared: frozenset[bytes]) -> Replace:
    """Return how words are replaced in one round: the same word by the same word, so that a rule stays coherent."""

    def replace(word: bytes) -> bytes:
        if word.lower() in shared:
            return word
        noise = hashlib.shake_128(b"%d %s" % (rounds, word.lower())).digest(len(word))
        return bytes(map(_other_byte, word, noise))

    return replace


def _other_byte(byte: int, noise: int) -> int:
    for letters in (_VOWELS, _CONSONANTS, _DIGITS):
        for alphabet in (letters, letters.upper()):
            if byte in alphabet:
                return alphabet[noise % len(alphabet)]
    return byte


def _rename(tree: Root, replace: Replace) -> Root:
    match tree:
        case Condition():
            return _rename_condition(tree, replace)
        case AllOf(parts):
            return AllOf(tuple(_rename(part, replace) for part in parts))  # type: ignore[misc]
        case AnyOf(parts):
            return AnyOf(tuple(_rename(part, replace) for part in parts))  # type: ignore[misc]
        case Not(part):
            return Not(_rename(part, replace))  # type: ignore[arg-type]
        case Some(place, where):
            return tree if place == "headers" else Some(place, _rename(where, replace))  # type: ignore[arg-type]
        case _:
            return tree  # counts and sequences are asked of the hits, not of requests


def _rename_condition(condition: Condition, replace: Replace) -> Condition:
    if condition.field in _KEPT_FIELDS:
        return condition
    name, value = condition.name, condition.value
    if name is not None:
        change = _rename_regex if name.how == "regex" else _rename_text
        name = Name(change(name.text, replace), name.how)
    if condition.op not in _KEPT_OPERATORS:
        change = _rename_regex if condition.op == "regex" else _rename_text
        if isinstance(value, bytes):
            value = change(value, replace)
        elif isinstance(value, tuple):
            value = tuple(change(text, replace) for text in value)
    return msgspec.structs.replace(condition, name=name, value=value)


def _rename_text(text: bytes, replace: Replace) -> bytes:
    return _IN_TEXT.sub(lambda found: replace(found[1]) if found[1] else found[0], text)


def _rename_regex(regex: bytes, replace: Replace) -> bytes:
    if rb"\Q" in regex:
        return regex
    made = _IN_REGEX.sub(lambda found: replace(found[1]) if found[1] else found[0], regex)
    try:
        compile_pattern(made)
    except RuleError:
        return regex
    return made


def _shared_words(rules: Sequence[Rule]) -> frozenset[bytes]:
    """Return the words, lower case, that the literals of many rules have."""
    counts = Counter(word for rule in rules for word in _words(rule))
    return frozenset(word for word, count in counts.items() if count >= SHARED_LEAST)


def _words(rule: Rule) -> set[bytes]:
    words: set[bytes] = set()
    for condition in conditions_of(rule.when):
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        texts = [value for value in values if isinstance(value, bytes)]
        texts += [condition.name.text] if condition.name is not None else []
        words.update(found[1].lower() for text in texts for found in _IN_TEXT.finditer(text) if found[1])
    return words
