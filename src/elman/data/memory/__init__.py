"""Data that are in memory, not in files: data frames, arrays, lists of records, data sets of others."""
