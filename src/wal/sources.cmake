# Sources of src/wal, by name.
target_sources(xtree PRIVATE)
