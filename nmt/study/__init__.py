"""Studies: variants of attention trained under one recipe and compared."""
