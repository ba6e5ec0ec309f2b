"""Optuna searches: studies, their trials, and what is recorded of them.

Everything random or decided happens in a study in memory that is told the trials one batch after
another; the database is a log of it, from which the next call rebuilds the same study. Nothing else
imports Optuna.
"""
