"""What the panel shows: widgets that take a `PanelState` and emit `Requests`."""
