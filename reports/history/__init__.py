"""Many evaluations of a model over time: one line a run, trends of every number, and where they step."""
