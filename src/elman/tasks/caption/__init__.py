"""Captions: a picture, a film or features -> words. One to many, and many to many."""
