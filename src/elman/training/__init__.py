"""Train a model: settings, session, loop, checkpoints, logs."""
