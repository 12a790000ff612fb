"""The pure core: what a workflow is, and how a run of it moves on. No clock, no I/O, no randomness."""
