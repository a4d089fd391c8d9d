"""Data that is always there, named `sample:NAME`: made up, or made from what every Python brings with it."""
