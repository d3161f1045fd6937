"""What `testpress play` does: a recording through a model file."""
