"""Answers to insights: votes, decisions, and what they do to products (contract 2.3, 2.4)."""
