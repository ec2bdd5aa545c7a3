"""Locating sources before an array or a reconfigurable surface: learned start, fitted finish."""
