"""The pages themselves: their HTML, figures, widgets, icons and list of pages."""
