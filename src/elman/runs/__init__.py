"""Run folders: load a model, its card, its exports."""
