"""Phones as data: `profile.py` is the type, `catalog/` holds a TOML file a phone, `record.py` the base of all files."""
