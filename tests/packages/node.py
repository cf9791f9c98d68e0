"""The npm packages."""
