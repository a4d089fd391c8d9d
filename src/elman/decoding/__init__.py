"""Search over a step function: sampling, beams, and what scores their hypotheses."""
