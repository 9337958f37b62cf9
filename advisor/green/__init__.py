"""How green a site's energy is by each measure in use, what may be bought, and which rules must be met."""
