"""From a sweep file or a store to what a scientist asks of it: tables, differences, sensitivity."""
