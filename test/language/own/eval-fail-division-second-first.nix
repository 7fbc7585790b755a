null / ""
