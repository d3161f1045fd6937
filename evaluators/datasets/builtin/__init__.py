"""Datasets that are made on first use of packages in public registries, named `builtin:NAME` in a recipe.

A file of `catalog` says what a dataset is, which packages it is made of, and how. Packages are fetched by the user's
own pip and apt-get (`registries.py`), checked against the SHA-256 that is written here (`downloads.py`), read without
being installed or run (`archives.py`), and made into clips and manifests by a worker (`making.py`).
"""
