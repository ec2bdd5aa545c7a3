"""Speech enhancement: noisy speech in, clean speech at the same level out."""
