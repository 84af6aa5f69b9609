"""The database, behind `ports.Store`. Only this room speaks SQL."""
