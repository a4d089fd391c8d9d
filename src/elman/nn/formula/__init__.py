"""A cell's step as a list of operations: written down once, differentiated, and handed to whoever runs it."""
