"""What holds and what does not: budgets, regressions and verdicts."""
