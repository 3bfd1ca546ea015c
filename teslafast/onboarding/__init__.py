"""Tesla's Fleet API: configuring vehicles, signing, presets."""
