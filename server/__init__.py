"""HTTP, the rules of each product, and the hot path that joins kernels, models and index."""
