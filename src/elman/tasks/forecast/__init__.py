"""Forecasting: the series so far -> its future, with its uncertainty."""
