"""Events out to dashboards: our server beside others in the same situations, from saturation to one slow reader."""
