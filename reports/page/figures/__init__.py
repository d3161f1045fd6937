"""Where the marks of each figure go. Only geometry: the templates draw, so that every text is escaped in one place."""
