"""The queue of tasks over the Model Context Protocol, for any coding agent: a room beside the command line.

Only this room knows the library `mcp` and what comes with it; it is an extra, and nothing else imports this room at
start-up.
"""
