"""Predictors that every network has to beat."""
