"""Self-contained HTML pages of figures, tables and verdicts."""
