"""Fuzzing: damaged files, run folders, streams and requests, and trainings that are killed. See docs/fuzzing.md."""
