"""Memory-induced tool drift (MEMDRIFT, arXiv 2605.24941): measuring it, finding where it can happen, stopping it."""
