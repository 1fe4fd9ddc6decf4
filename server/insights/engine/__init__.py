"""From predictions to insights: the import engine and a rule per type (contract 4)."""
