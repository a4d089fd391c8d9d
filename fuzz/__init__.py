"""Fuzzing: damaged files, run folders, streams and requests; killed trainings. See docs/fuzzing.md."""
