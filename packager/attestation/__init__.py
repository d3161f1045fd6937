"""What a bundle that is handed on says of itself: its bill of materials, its signature, the digests of its files."""
