"""Labelled pairs of rule and vulnerability, which a judge is trained on and measured with.

Only measures: no code of the program may import it, so that no judge can learn what its labels are counted on.
"""
