"""Counts and sequences of events: `Plan` takes rules apart, `Correlator` puts hits together to alerts."""

from ruleforge.engine.correlation.correlator import Correlator
from ruleforge.engine.correlation.observation import Alert, Observation, RuleHit, Tally, partition
from ruleforge.engine.correlation.plan import Plan, is_correlation

__all__ = ["Alert", "Correlator", "Observation", "Plan", "RuleHit", "Tally", "is_correlation", "partition"]
