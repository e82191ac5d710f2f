"""Where calls come from, and the tokens that name their recordings."""
