"""Viam's side: the process, the RPC handler, the service and the sensor."""
