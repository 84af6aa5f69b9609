"""The tests. Folders mirror the rooms of `fedcoop/`; see CONTRIBUTING.md."""
