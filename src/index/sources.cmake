# Sources of src/index, by name.
target_sources(xtree PRIVATE)
