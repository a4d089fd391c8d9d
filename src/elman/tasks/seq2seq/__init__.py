"""What tasks share that write a sequence for each source."""
