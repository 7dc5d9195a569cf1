"""Every gate and threshold of validation, in one place. Changing one is a decision: say why in docs/decisions/."""

VARIANT_SURVIVAL_LEAST = 0.9  # share of FEEDBACK variants of the exploits that a rule still hits
NEAR_MISSES_HIT_MOST = 0  # ordinary twins a rule may fire on
SIBLINGS_HIT_MOST = 0  # setup and probe steps of the same source a rule may fire on
OTHER_PRODUCTS_HIT_MOST = 0  # requests of other products' sources a rule may fire on
# A rule that no condition can tell apart from this many other sources' exploits (never their other steps) is shipped
# with the fact in its evidence: refusing it would leave all of them undetected.
SHARED_SOURCES_MOST = 3  # other sources with the same request shape that a rule may fire on
# A rule that names no place detects a kind of attack. Where this many other sources at most attack in that very way, it
# is kept as the rule of all of them and carries all their names (docs/decisions/0004-sharing-a-request-shape.md).
FAMILY_SOURCES_MOST = 12
BENIGN_HIT_MOST = 0  # requests of normal traffic a rule may fire on
SURPRISE_LEAST_BITS = 18.0  # a rule less surprising than this in normal traffic is not shipped
# The sensor gate; docs/decisions/0008-sensor-gate.md derives how its bounds follow from the size of a log.
SENSOR_SOURCES_LEAST = 10  # distinct sources that trigger a rule, below which their share of bad ones says nothing
SENSOR_SOURCES_MOST = 500  # distinct sources in a log of up to SENSOR_REQUESTS; more: the rule is too generic
SENSOR_REQUESTS = 5_000_000_000  # requests up to which the bound above holds; beyond it grows with them
SENSOR_SOURCE_SHARE_MOST = 0.05  # of all sources of a small log, the lower end of the interval; more: too generic
SENSOR_KNOWN_BAD_LEAST = 0.7  # share of the sources that trigger a rule which are known bad
SENSOR_HITS_MOST = 5_000  # hits counted in one log: a rule with more is judged by these
SENSOR_COUNTEREXAMPLES_MOST = 20  # hits of a failed rule that go back to the generator
SENSOR_NETWORKS_MOST = 3  # anonymised networks named in evidence.json
EXAMPLES_MOST = 10  # requests named in a check's result
CONDITIONS_MOST = 60  # a longer rule is a list of requests, not a rule
ROUNDS_MOST = 5  # refinements of one candidate
CANDIDATES_MOST = 5  # first drafts of one source
# Rules about other events; docs/decisions/0031-agent-for-events.md says where the numbers come from.
EVENT_VARIANT_SURVIVAL_LEAST = 0.9  # share of variants of the examples that are still hit
EVENT_SURPRISE_LEAST_BITS = 6.0  # of the conditions of one event together, in ordinary events
EVENT_MARGIN_LEAST = 2.0  # what the attack reaches of a count, against what ordinary use reaches
EVENT_MARGIN_CLOSE = 3.0  # below it a person is asked
