"""The parts of a scan: reading in batches, asking the rules, what is counted, and where it stopped."""
