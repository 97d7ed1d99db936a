"""What a study found, as a page, on paper, as Markdown, JSON and Parquet; all studies side by side."""
