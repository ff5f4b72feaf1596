"""Plants: SUMO and replay, sensor models, scenario loading, comparisons. Never imports citybrain_api."""
