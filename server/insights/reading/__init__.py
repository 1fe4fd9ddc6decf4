"""Lists, dumps and overviews of what is stored (contract 1.2.5-1.2.15)."""
