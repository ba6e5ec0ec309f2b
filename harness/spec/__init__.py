"""What a sweep file says, as plain data: settings, layers, claims, identity."""
