"""Work in processes of its own: what may crash, hang or hoard is a job, and `workers.py` runs it."""
