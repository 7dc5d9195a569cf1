"""What the judge is shown: the JUDGE family, the disclosure, what the gates saw, and traffic where there is some."""

from collections.abc import Mapping
from types import MappingProxyType

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy
from ruleforge.cases.evidence import Case, Evidence
from ruleforge.cases.significance import endpoint_free
from ruleforge.cases.telling import Tell, telling
from ruleforge.records.advisory import Advisory

_NO_BITS: Mapping[str, float] = MappingProxyType({})


class JudgeEvidence(Evidence, frozen=True, kw_only=True):
    """Evidence of the JUDGE family; `siblings` are exploits whose payload was neutralised.

    The generator sees none of these requests. What the gates were shown (`seen_…`) is there as well: a rule that was
    written by hand, or that failed a gate, tells by it.
    """

    disclosure: Advisory | None = None
    anatomies: tuple[Anatomy, ...] = ()  # of `exploits`, in their order
    tells: tuple[tuple[Tell, ...], ...] = ()  # of each exploit: what no ordinary call has
    endpoint_free: tuple[bool, ...] = ()  # of each exploit: it works on any path
    background: Background | None = None  # None: rarity cannot be told
    class_bits: Mapping[str, float] = _NO_BITS  # how surprising a value of each payload class is, in bits
    seen_variants: tuple[Case, ...] = ()  # FEEDBACK family
    seen_near: tuple[Case, ...] = ()  # FEEDBACK family
    steps: tuple[Case, ...] = ()  # the other requests of the source
    choices: tuple[Case, ...] = ()  # exploits in which one thing the attacker is free to choose is chosen otherwise


def show(
    judged: Evidence,
    advisory: Advisory,
    anatomies: tuple[Anatomy, ...],
    gates: Evidence,
    background: Background,
    class_bits: Mapping[str, float],
    choices: tuple[Case, ...] = (),
) -> JudgeEvidence:
    """Put together what the judge sees of one advisory.

    Args:
        judged: variants, near-misses and neutralised exploits of the JUDGE family.
        advisory: what was disclosed.
        anatomies: of its exploit requests.
        gates: what the gates were shown, with the corpora.
        background: what normal traffic looks like.
        class_bits: how surprising payload classes are in it.
        choices: exploits in which something is chosen otherwise.
    """
    parts = {name: getattr(judged, name) for name in Evidence.__struct_fields__}
    parts |= {"corpus": gates.corpus, "benign": gates.benign, "cves": gates.cves}
    return JudgeEvidence(
        **parts,
        disclosure=advisory,
        anatomies=anatomies,
        tells=tuple(telling(anatomy, advisory) for anatomy in anatomies),
        endpoint_free=tuple(endpoint_free(anatomy, advisory) for anatomy in anatomies),
        background=background,
        class_bits=class_bits,
        seen_variants=gates.variants,
        seen_near=gates.near_misses,
        steps=gates.siblings,
        choices=choices,
    )
