"""What the panel does, without Qt and without napari: each controller owns one kind of act."""
