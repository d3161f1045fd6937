"""One file a dataset: `COLLECTION` is the class, and the file's name, with dashes, is the dataset's."""
