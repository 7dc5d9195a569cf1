"""The conditions one exploit request offers a rule, each with how surprising it is in normal traffic.

A rule is a choice among facets. None is built from a stand-in, a scanner's canary or a value that every client sends.
"""

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy
from ruleforge.generate.encoded import encoded_facets
from ruleforge.generate.endpoints import endpoint_facets
from ruleforge.generate.facet import Facet
from ruleforge.generate.forms import ask_both, reads_both
from ruleforge.generate.other_ways import ask_other_ways, fold_names
from ruleforge.generate.payloads import path_payload_facets, payload_facets
from ruleforge.generate.values import (
    header_facets,
    literal_facets,
    method_facets,
    present_facets,
    selector_facets,
    session_facets,
    telling_facets,
)
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import Tree


def facets_of(anatomy: Anatomy, advisory: Advisory, background: Background) -> tuple[Facet, ...]:
    """Return what `anatomy` offers, best first within each kind."""
    found = [
        *(ask_other_ways(each, anatomy, advisory, background) for each in endpoint_facets(anatomy, background)),
        *path_payload_facets(anatomy, advisory),
        *payload_facets(anatomy, advisory, background),
        *encoded_facets(anatomy, advisory, background),
        *telling_facets(anatomy, advisory, background),
        *selector_facets(anatomy, background),
        *literal_facets(anatomy, background),
        *present_facets(anatomy, background),
        *header_facets(anatomy, background),
        *method_facets(anatomy),
        *session_facets(advisory),
    ]
    if reads_both(anatomy, advisory):
        found = [ask_both(facet, anatomy) for facet in found]
    found = [fold_names(facet, anatomy) for facet in found]
    unique: dict[Tree, Facet] = {}
    for facet in found:
        unique.setdefault(facet.tree, facet)
    return tuple(unique.values())
