"""Judge the judge: labelled pairs of rule and advisory, measures, baselines, plots.

docs/howto/measure-the-judge.md tells what the figures mean.
"""
