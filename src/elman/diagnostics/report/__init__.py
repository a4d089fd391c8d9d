"""A report on what a trained model remembers: gradients through time, gates, states, context, in one page."""
