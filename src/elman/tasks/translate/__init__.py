"""Translation: a sequence -> another one of another length. Many to many."""
