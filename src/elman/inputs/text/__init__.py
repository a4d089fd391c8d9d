"""Text as symbols: characters, bytes, words or subwords; symbol strings such as DNA are text too."""
