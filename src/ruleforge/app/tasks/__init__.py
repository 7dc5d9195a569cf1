"""A work queue for agents: tasks of a folder of rules, handed out, checked when they come back, and shown.

Nothing here releases a rule: what an agent hands in is kept beside the rules for a person to look at.
"""
