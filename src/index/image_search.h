// Finding the images of one state of a database when its object table is lost.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "persistence/salvage.h"
#include "persistence/table_file.h"

namespace xtree::index {

// A node that the state refers to, and of which no image was found.
struct LostNode {
  persistence::NodeId id;
  std::uint32_t index = 0;
  std::string name;  // of the index
};

struct FoundState {
  persistence::NodeId catalog;
  std::vector<persistence::ImagePlace> live;
  std::vector<LostNode> lost;
  // By index: entries of whole leaves that nothing reaches, although something is missing that may
  // have led to them.
  std::map<std::uint32_t, std::uint64_t> doubtful;
  // Whether everything that is referred to was found, and every root counts what its leaves hold.
  bool is_whole = false;
};

// Walks from the catalog to the leaves as a checkpoint would have it that holds all operations
// before `next_lsn`. Of a node's images it takes the newest of such a checkpoint or an older one
// that is what the node's parent says: of that level, of that index, with exactly that box. `known`
// is what surviving table files say, and comes before anything that is found. `catalog` is 0 when
// nobody knows it.
FoundState find_state(persistence::ImageReader& reader, const persistence::ScannedImages& images,
                      std::span<const persistence::TableEntry> known, std::uint64_t next_lsn,
                      persistence::NodeId catalog);

}  // namespace xtree::index
