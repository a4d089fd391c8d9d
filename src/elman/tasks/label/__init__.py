"""Labelling of the steps of a signal: a class or a number at each step. Many to many, in step."""
