// Warm-up: the directory of a tree that is only on disk is read together, before it is asked for.
#pragma once

#include <cstddef>

#include "index/durable_store.h"
#include "index/node.h"

namespace xtree::index {

// Reads directory nodes of the tree level by level from the root on, those of one level as many at
// once as the disk likes, so many in all at most. A query that goes down by itself waits for one
// after the other. What cannot be read is left to whoever needs it.
void warm_up(const Layout& layout, DurableView view, const Root& root, std::size_t most_nodes);

}  // namespace xtree::index
