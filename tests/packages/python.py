"""The wheel."""
