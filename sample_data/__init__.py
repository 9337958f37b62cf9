"""Generator of sample exports of our own making; imports nothing of ours."""
