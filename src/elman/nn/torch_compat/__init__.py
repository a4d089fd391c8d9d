"""Drop-in replacements of torch.nn's recurrent modules."""
