// Verifying all indexes of one state of a database, and that its nodes are theirs and nobody
// else's.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "persistence/node_id.h"
#include "persistence/version_store.h"
#include "xtree/result.h"

namespace xtree::index {

// Told what is wrong with an index, or with the database as a whole when the name is empty. False
// ends the verification.
using StateFault = std::function<bool(std::string_view index, const Error& error)>;

// Checks every tree that the catalog lists in the store's newest published state, and that the
// nodes which live are exactly those that the trees and the catalog reach. Of a tree the first rule
// that is broken is reported. No writer may be at work. Returns the entries of all indexes.
std::uint64_t verify_state(const persistence::VersionStore& store, persistence::NodeId catalog,
                           const StateFault& report);

}  // namespace xtree::index
