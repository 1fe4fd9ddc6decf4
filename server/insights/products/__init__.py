"""Products: in our own table or on a product server, read and written (contract 2.4)."""
