"""Numbers in time: series, sound, pictures read by rows or pixels, and the frames of a film."""
