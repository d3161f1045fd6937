"""Model files played, timed and predicted, each in a worker, through one binding of names."""
