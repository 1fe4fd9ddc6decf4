"""Questions: which are asked, in which words, with which pictures (contract 1.2.1-1.2.4, 2.5)."""
