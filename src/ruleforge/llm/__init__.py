"""One narrow door to language models: typed questions and answers, budgets, cache, record and replay, mailbox."""
