"""What happens elsewhere, and the work that follows from it (contract 4.6)."""
