"""What a shop's customers meet: the privacy centre, the widget, and a shop to try them in."""
