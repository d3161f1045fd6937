"""What a report shows of a clip beside its numbers."""
