"""What a store holds, looked at: runs listed, shown, set side by side and exported."""
