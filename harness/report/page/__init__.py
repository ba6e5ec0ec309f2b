"""A report as one page that stands alone, and as Markdown: gathered values to text."""
