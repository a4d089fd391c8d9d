"""Associative memory: from a part of a pattern, or a noisy one, the whole. Patterns are attractors."""
