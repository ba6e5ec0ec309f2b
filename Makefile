.PHONY: check format test

check: ## everything that CI checks
	ruff format --check .
	ruff check .
	mypy --strict harness
	lint-imports
	pytest

format:
	ruff format .
	ruff check --fix .

test:
	pytest
