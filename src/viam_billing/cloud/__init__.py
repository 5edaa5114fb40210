"""One typed call to Viam."""
