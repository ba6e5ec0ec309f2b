.PHONY: check lint test format

check: lint test ## everything that CI checks

lint:
	ruff format --check .
	ruff check .
	mypy --strict harness
	lint-imports

test:
	pytest -n 2

format:
	ruff format .
	ruff check --fix .
