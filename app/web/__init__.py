"""The Panel app: pages over one site, state per session, Chinese and English."""
