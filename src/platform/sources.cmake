# Sources of src/platform, by name.
target_sources(xtree PRIVATE)
