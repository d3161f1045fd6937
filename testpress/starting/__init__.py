"""What `testpress init` finds of a model and of data, and the recipe that it makes of both."""
