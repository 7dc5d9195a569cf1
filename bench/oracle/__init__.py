"""ORACLE: exploit requests written in other ways that a server would still fall for.

Only measures: no code of the program may import or imitate it (a contract in `.importlinter` and a test hold that).
"""
