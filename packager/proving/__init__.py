"""What a bundle is tried on right after conversion, what its source makes of that, and how a proof is told."""
