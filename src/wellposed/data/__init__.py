"""Where the examples come from: audio files, corpora, scenes, rooms, synthetic speech."""
