"""Scores of predictions, and trivial predictors to compare with."""
