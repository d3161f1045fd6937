"""How far a model file lies from its source: parity, drift, proofs, and what a mean over clips is worth."""
