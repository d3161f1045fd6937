"""Where the marks of each figure go. Only geometry: the templates draw it, so that every text is escaped in one place."""
