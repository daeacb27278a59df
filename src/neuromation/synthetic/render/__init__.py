"""Pictures and perfect labels of scenes."""
