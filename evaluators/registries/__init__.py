"""Packages of public registries: fetched by the user's own tools, held against digests, kept in the user's cache."""
