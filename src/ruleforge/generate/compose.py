"""From a draft to a rule document."""

import re
from collections.abc import Iterator

from ruleforge.generate.draft import Draft, draft_tree
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import latest_version
from ruleforge.rules.tree import Root, Rule, Tree, conditions_of

CWE = re.compile(r"CWE-[0-9]{1,6}")  # sources also write placeholders such as NVD-CWE-noinfo
AUTHOR = "ruleforge (embedded generator)"


def compose(draft: Draft, advisory: Advisory) -> Rule:
    """Spell `draft` as a rule of `advisory`, with the classes it uses at their latest versions."""
    return rule_of(draft_tree(draft), advisory, AUTHOR)


def rule_of(when: Tree, advisory: Advisory, author: str) -> Rule:
    """Make a rule of a tree: all but the tree comes from the advisory."""
    return Rule(
        id=f"RF-{advisory.id}-1",
        when=when,
        title=advisory.title[:200],
        description=advisory.description[:2000],
        cves=advisory.cves,
        cwes=tuple(cwe for cwe in advisory.cwes if CWE.fullmatch(cwe)),
        attack=("T1190",),
        products=advisory.products,
        severity=advisory.severity,
        references=advisory.references[:20],
        author=author,
        classes=tuple((name, latest_version(name)) for name in sorted(set(classes_used(when)))),
    )


def classes_used(tree: Root) -> Iterator[str]:
    """Yield the payload classes a tree asks about."""
    for condition in conditions_of(tree):
        if condition.op == "is_class" and isinstance(condition.value, bytes):
            yield condition.value.decode()
