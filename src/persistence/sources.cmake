# Sources of src/persistence, by name.
target_sources(xtree PRIVATE)
