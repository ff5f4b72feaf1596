"""Routes of the service, by who calls them."""
