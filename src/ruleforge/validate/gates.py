"""Every gate and threshold of validation, in one place. Changing one is a decision: say why in docs/decisions/."""

VARIANT_SURVIVAL_LEAST = 0.9  # share of FEEDBACK variants of the exploits that a rule still hits
NEAR_MISSES_HIT_MOST = 0  # ordinary twins a rule may fire on
SIBLINGS_HIT_MOST = 0  # setup and probe steps of the same source a rule may fire on
OTHER_PRODUCTS_HIT_MOST = 0  # requests of other products' sources a rule may fire on
# A rule that no condition can tell apart from this many other sources' exploits (never their other steps) is shipped
# with the fact in its evidence: refusing it would leave all of them undetected.
SHARED_SOURCES_MOST = 3  # other sources with the same request shape that a rule may fire on
BENIGN_HIT_MOST = 0  # requests of normal traffic a rule may fire on
SURPRISE_LEAST_BITS = 18.0  # a rule less surprising than this in normal traffic is not shipped
EXAMPLES_MOST = 10  # requests named in a check's result
CONDITIONS_MOST = 60  # a longer rule is a list of requests, not a rule
ROUNDS_MOST = 5  # refinements of one candidate
CANDIDATES_MOST = 5  # first drafts of one source
