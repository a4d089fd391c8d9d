"""Networks as C99: a file with the weights and one step of one sequence, and its header."""
