#include "index/image_search.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_set>
#include <utility>

#include "index/catalog_format.h"
#include "index/node_image.h"
#include "index/remains.h"

namespace xtree::index {
namespace {

using persistence::FrameHeader;
using persistence::ImagePlace;
using persistence::ImageReader;
using persistence::NodeId;
using persistence::ScannedImages;
using persistence::TableEntry;

class StateSearch {
 public:
  StateSearch(ImageReader& reader, const ScannedImages& images, std::span<const TableEntry> known,
              std::uint64_t next_lsn, NodeId catalog)
      : reader_(reader),
        images_(images),
        known_(known),
        next_lsn_(next_lsn) {
    state_.catalog = catalog;
  }

  FoundState run();

 private:
  struct Child {
    Ref ref;
    FloatBox box;
  };
  // One tree on the way through it.
  struct Walk {
    std::uint32_t number;
    std::string name;
    std::optional<std::uint64_t> schema;
    std::uint64_t entries = 0;
    bool strict = false;  // takes no image where a newer one is torn
  };

  void find_catalog();
  std::vector<IndexDefinition> find_roots_alone();
  void take_object(NodeId id, ObjectTag tag, const std::string& name);
  void take_index(const IndexDefinition& definition, bool schema_is_known);
  void walk_again(Walk& walk, const Root& root, bool schema_is_known, std::size_t live_before,
                  std::size_t lost_before);
  void walk_node(Walk& walk, Ref ref, std::uint32_t level, const FloatBox* box);
  void take_unreached(const Walk& walk, std::uint64_t expected);
  // Calls `fits` with the node's images, newest first, until one does.
  template <class Fits>
  std::optional<ImagePlace> choose(NodeId id, bool strict, Fits&& fits);
  [[nodiscard]] const TableEntry* known(NodeId id) const;
  [[nodiscard]] bool is_torn_since(NodeId id, std::uint64_t birth) const;

  ImageReader& reader_;
  const ScannedImages& images_;
  const std::span<const TableEntry> known_;
  const std::uint64_t next_lsn_;
  std::unordered_set<std::uint64_t> reached_;  // handles
  bool counts_agree_ = true;
  FoundState state_;
};

const TableEntry* StateSearch::known(NodeId id) const {
  const auto handle = [](const TableEntry& entry) { return entry.id.handle(); };
  const auto found = std::ranges::lower_bound(known_, id.handle(), {}, handle);
  return found != known_.end() && found->id.handle() == id.handle() ? &*found : nullptr;
}

bool StateSearch::is_torn_since(NodeId id, std::uint64_t birth) const {
  const auto [first, last] = std::ranges::equal_range(images_.torn, id, {}, &ImagePlace::id);
  return std::any_of(first, last, [&](const ImagePlace& torn) {
    return torn.birth > birth && torn.next_lsn <= next_lsn_;
  });
}

template <class Fits>
std::optional<ImagePlace> StateSearch::choose(NodeId id, bool strict, Fits&& fits) {
  const TableEntry* entry = known(id);
  if (entry != nullptr && (entry->id != id || !entry->address)) return std::nullopt;
  const auto [first, last] = std::ranges::equal_range(images_.whole, id, {}, &ImagePlace::id);
  for (auto at = last; at != first;) {
    --at;
    if (at->next_lsn > next_lsn_ || (entry != nullptr && entry->checksum != at->checksum)) continue;
    if (strict && entry == nullptr && is_torn_since(id, at->birth)) return std::nullopt;
    const auto frame = reader_.read(*at);
    if (frame && fits(**frame)) return *at;
  }
  return std::nullopt;
}

FoundState StateSearch::run() {
  if (!state_.catalog) find_catalog();
  CatalogContent catalog;
  const auto place = choose(state_.catalog, false, [&](const FrameHeader& frame) {
    auto decoded = decode_catalog(content_of(frame));
    if (decoded) catalog = std::move(decoded).value();
    return static_cast<bool>(decoded);
  });
  if (place) {
    state_.live.push_back(*place);
    reached_.insert(place->id.handle());
    if (catalog.values) take_object(catalog.values, {0, ObjectKind::values}, {});
  } else {
    if (state_.catalog) state_.lost.push_back({state_.catalog, 0, {}});
    catalog.indexes = find_roots_alone();
  }
  for (const IndexDefinition& definition : catalog.indexes) {
    take_index(definition, place.has_value());
  }
  state_.is_whole = place && state_.lost.empty() && counts_agree_;
  return std::move(state_);
}

// A database has one catalog in all its life, with one NodeID.
void StateSearch::find_catalog() {
  for (const ImagePlace& place : images_.whole) {
    const bool is_catalog = tag_of(place) == ObjectTag{0, ObjectKind::catalog};
    if (is_catalog && place.next_lsn <= next_lsn_) state_.catalog = place.id;
  }
}

// Without a catalog: every index that has a root object. Some may have been dropped.
std::vector<IndexDefinition> StateSearch::find_roots_alone() {
  std::vector<IndexDefinition> definitions;
  std::set<std::uint32_t> numbers;
  for (const ImagePlace& place : images_.whole) {
    const ObjectTag tag = tag_of(place);
    if (tag.kind != ObjectKind::root || place.next_lsn > next_lsn_) continue;
    if (!numbers.insert(tag.index).second) continue;
    IndexDefinition definition;
    definition.number = tag.index;
    definition.root = place.id;
    definitions.push_back(definition);
  }
  return definitions;
}

void StateSearch::take_object(NodeId id, ObjectTag tag, const std::string& name) {
  const auto place = choose(id, false, [&](const FrameHeader& frame) {
    return reinterpret_cast<const Node&>(frame).owner.tag == tag;
  });
  if (place) {
    state_.live.push_back(*place);
    reached_.insert(id.handle());
  } else {
    state_.lost.push_back({id, tag.index, name});
  }
}

void StateSearch::take_index(const IndexDefinition& definition, bool schema_is_known) {
  Walk walk{definition.number, definition.name, std::nullopt};
  if (schema_is_known) walk.schema = encode_schema(definition.schema);
  take_object(definition.root, {definition.number, ObjectKind::root}, definition.name);
  std::optional<Root> root;
  if (!state_.live.empty() && state_.live.back().id == definition.root) {
    const auto frame = reader_.read(state_.live.back());
    const auto content = frame ? decode_root(content_of(**frame)) : frame.error();
    if (content) root = content->root;
  }
  if (root && root->node != 0) {
    const std::size_t live_before = state_.live.size();
    const std::size_t lost_before = state_.lost.size();
    walk_node(walk, root->node, root->height - 1, nullptr);
    if (walk.entries != root->entries) {
      walk_again(walk, *root, schema_is_known, live_before, lost_before);
    }
  }
  const std::uint64_t expected = root ? root->entries : 0;
  if (!root || walk.entries != expected) {
    counts_agree_ = false;
    take_unreached(walk, expected);
  }
}

// The counts do not agree. Where a newer image of a node is torn, the older one that was taken may
// hold what has moved on since: now it is not taken.
void StateSearch::walk_again(Walk& walk, const Root& root, bool schema_is_known,
                             std::size_t live_before, std::size_t lost_before) {
  for (std::size_t i = live_before; i < state_.live.size(); ++i) {
    reached_.erase(state_.live[i].id.handle());
  }
  state_.live.resize(live_before);
  state_.lost.resize(lost_before);
  walk.entries = 0;
  walk.strict = true;
  if (!schema_is_known) walk.schema.reset();
  walk_node(walk, root.node, root.height - 1, nullptr);
}

void StateSearch::walk_node(Walk& walk, Ref ref, std::uint32_t level, const FloatBox* box) {
  const NodeId id{ref};
  std::vector<Child> children;
  std::uint64_t entries = 0;
  const auto fits = [&](const FrameHeader& frame) {
    const auto image = NodeImage::of(frame);
    if (!image || image->node().level != level || image->node().owner.tag.index != walk.number ||
        (walk.schema && image->node().owner.schema != *walk.schema)) {
      return false;
    }
    FloatBox own;
    image->read_box(own);
    if (box != nullptr && !equal(*box, own, image->schema().dimensions)) return false;
    walk.schema = image->node().owner.schema;
    if (image->is_leaf()) {
      entries = image->node().count;
      return true;
    }
    children.resize(image->node().count);
    for (std::size_t i = 0; i < children.size(); ++i) {
      children[i].ref = image->child(i);
      image->read_child_box(i, children[i].box);
    }
    return true;
  };
  const auto place = choose(id, walk.strict, fits);
  if (!place || !reached_.insert(id.handle()).second) {
    state_.lost.push_back({id, walk.number, walk.name});
    return;
  }
  state_.live.push_back(*place);
  walk.entries += entries;
  for (const Child& child : children) walk_node(walk, child.ref, level - 1, &child.box);
}

// Whole leaves that say that they are this index's, each in its newest image. They may have been
// given up long ago; together they are believed if they are exactly what the root counts more.
void StateSearch::take_unreached(const Walk& walk, std::uint64_t expected) {
  std::vector<ImagePlace> unreached;
  std::uint64_t entries = 0;
  std::optional<std::uint64_t> last_handle;  // of its lives, the last one counts
  for (std::size_t i = images_.whole.size(); i-- > 0;) {
    const ImagePlace& place = images_.whole[i];
    const bool is_its_own = tag_of(place) == ObjectTag{walk.number, ObjectKind::node};
    if (!is_its_own || place.next_lsn > next_lsn_ || reached_.contains(place.id.handle())) continue;
    if (last_handle == place.id.handle()) continue;
    last_handle = place.id.handle();
    std::uint64_t count = 0;
    const auto found = choose(place.id, true, [&](const FrameHeader& frame) {
      const auto image = NodeImage::of(frame);
      if (!image || !image->is_leaf()) return false;
      count = image->node().count;
      return true;
    });
    if (!found) continue;
    unreached.push_back(*found);
    entries += count;
  }
  if (entries == 0) return;
  state_.doubtful[walk.number] = entries;
  if (walk.entries + entries != expected) return;
  state_.live.insert(state_.live.end(), unreached.begin(), unreached.end());
}

}  // namespace

FoundState find_state(ImageReader& reader, const ScannedImages& images,
                      std::span<const TableEntry> known, std::uint64_t next_lsn, NodeId catalog) {
  return StateSearch(reader, images, known, next_lsn, catalog).run();
}

}  // namespace xtree::index
