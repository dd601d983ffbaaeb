// Remains: what the images of a database's objects hold, as far as they are whole.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "index/catalog_format.h"
#include "index/node.h"
#include "persistence/salvage.h"
#include "xtree/detail/engine.h"

namespace xtree::index {

struct IndexRemains {
  std::string name;                      // empty when it is lost
  std::optional<detail::Schema> schema;  // of the catalog, or of any node
  persistence::NodeId root_id;
  std::optional<Root> root;
  std::vector<persistence::ImagePlace> leaves;  // the whole ones
  std::uint64_t leaf_entries = 0;
  std::uint64_t lost_nodes = 0;
  std::uint64_t doubtful_entries = 0;  // see RepairedIndex
};

struct Remains {
  std::map<std::uint32_t, IndexRemains> indexes;
  bool has_catalog = false;
  std::uint32_t next_number = 1;
  std::optional<NamedValues> values;
  bool values_are_lost = false;
  std::uint64_t images = 0;  // whole ones
  std::uint64_t image_bytes = 0;
  // Damaged images that may have been leaves.
  std::uint64_t lost_nodes = 0;
};

// Reads all of a state's images, and sorts them by what they say of themselves, so that a leaf
// needs no way that leads to it. Each image that is not whole is a fault, with the index that it
// belonged to if a parent or the catalog tells. `catalog` is where the state's catalog should be,
// if it has one.
Remains survey_images(persistence::ImageReader& reader, std::vector<persistence::ImagePlace> live,
                      persistence::NodeId catalog, persistence::FaultList& faults);

// The definitions in any catalog that a scan has found. A number is never used twice, so what an
// older catalog says of one holds.
void name_from_older_catalogs(persistence::ImageReader& reader,
                              std::span<const persistence::ImagePlace> images, Remains& remains);

[[nodiscard]] ObjectTag tag_of(const persistence::ImagePlace& place) noexcept;

}  // namespace xtree::index
