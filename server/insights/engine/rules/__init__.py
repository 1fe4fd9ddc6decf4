"""How each type's predictions become insights, one file per type (contract 4.5)."""
