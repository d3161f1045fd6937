"""What must change in a graph before it converts: one folder a source framework, one file a rewrite.

Each file says what it replaces, why, and why the result is equal. A bundle's manifest lists the rewrites applied to it.
"""
