"""The page that shows how a network does on real samples: `page` puts it together from `charts` and `pictures`."""
