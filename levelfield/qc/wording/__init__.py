"""The verdict in words: advice, headlines, and which parameter to change."""
