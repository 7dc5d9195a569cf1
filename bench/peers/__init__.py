"""Other engines beside ours: our rules in their language, the same requests, CPU time. Not part of the product."""
