"""Finds the best bundle for each phone under a recipe's budgets, cheap tests first. Begin with `search.py`."""
