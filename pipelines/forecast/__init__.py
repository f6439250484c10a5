"""Stage forecast: train the network, calibrate it, export it, and forecast the later slices with what was exported."""
