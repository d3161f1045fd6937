"""What `testpress inspect` tells of a model file."""
