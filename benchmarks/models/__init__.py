"""Published models with torch.nn's recurrent layers, a file for each package, for benchmarks/models.py."""
