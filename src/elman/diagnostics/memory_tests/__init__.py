"""Tests of memory: problems, trials, and surveys over cells and lengths."""
