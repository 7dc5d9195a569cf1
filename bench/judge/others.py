"""Rules that other people wrote by hand for the same CVEs: CrowdSec's, read into our rule language."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ruleforge.errors import RuleForgeError
from ruleforge.ingest.crowdsec import rule_of_tree
from ruleforge.records.advisory import Advisory
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule
from ruleforge.sources.crowdsec.convert import convert_patch
from ruleforge.sources.crowdsec.document import parse_patch

RULES = "appsec-rules__*.yaml"


class Foreign(msgspec.Struct, frozen=True):
    """A rule of others with the advisory of the same CVE, and what the conversion could not say."""

    rule: Rule
    advisory: str
    losses: tuple[str, ...] = ()


def read_crowdsec(folder: Path, advisories: Sequence[Advisory]) -> Iterator[Foreign]:
    """Yield the rules that are about exactly one vulnerability for which there is a template."""
    by_cve = {cve: advisory for advisory in advisories for cve in advisory.cves}
    for file in sorted(folder.glob(RULES)):
        try:
            patch = parse_patch(file.read_bytes(), file.name)
            found = [by_cve[cve] for cve in patch.cves if cve in by_cve]
            converted = convert_patch(patch)
            if not found or converted.tree is None:
                continue
            rule = rule_of_tree(converted.tree, f"RF-{found[0].id}-200")
            titled = msgspec.structs.replace(rule, title=patch.name, cves=found[0].cves)
            yield Foreign(parse_rule(dump_rule(titled)).require(), found[0].id, converted.losses)
        except RuleForgeError:
            continue
