"""Plants: SUMO and replay, sensor models, scenario loading and comparisons. May import citybrain, never citybrain_api."""
