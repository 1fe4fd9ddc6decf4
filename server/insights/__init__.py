"""Insights on food products, compatible with Open Food Facts' Robotoff: questions, annotations, predictions."""
