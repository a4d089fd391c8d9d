"""What every room may use: errors, the data types, settings, files, processes, the console."""
