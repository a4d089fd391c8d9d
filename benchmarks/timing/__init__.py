"""What benchmarks share: times on a machine that is not theirs alone, and peers in processes of their own."""
