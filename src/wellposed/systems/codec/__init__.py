"""Speech codec: speech to a few kilobits a second and back, causal, in frames of 20 ms."""
