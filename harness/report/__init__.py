"""Runs to DataFrames, tables, statistics and plots."""
