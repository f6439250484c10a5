"""Stage featurize: features of every bar, the cut of time into slices, and the scaler of the fit slice."""
