"""Language modelling: each symbol predicts the next one. One to many by generation, many to many in step."""
