"""Tagging: each element of a sequence gets a tag. Many to many, in step."""
