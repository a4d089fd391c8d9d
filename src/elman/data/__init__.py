"""Files become records, records become parts, parts become batches."""
