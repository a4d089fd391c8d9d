"""Recognition: sound, features or a strip of writing -> symbols, without alignment. Many to many."""
