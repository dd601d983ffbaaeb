#include "index/remains.h"

#include <algorithm>
#include <bit>

#include "index/node_image.h"
#include "persistence/frame.h"

namespace xtree::index {
namespace {

using persistence::FaultList;
using persistence::FrameHeader;
using persistence::ImagePlace;
using persistence::ImageReader;
using persistence::NodeId;

class ImageSurvey {
 public:
  ImageSurvey(ImageReader& reader, NodeId catalog, FaultList& faults)
      : reader_(reader),
        catalog_(catalog),
        faults_(faults) {}

  Remains run(std::vector<ImagePlace> live) {
    sort_by_place(live);
    for (const ImagePlace& place : live) look_at(place);
    if (!remains_.values && values_) remains_.values_are_lost = true;
    std::ranges::sort(families_);
    for (const auto& [place, error] : damaged_) report(place, error);
    return std::move(remains_);
  }

 private:
  void look_at(const ImagePlace& place) {
    const auto frame = reader_.read(place);
    const Result<void> taken = frame ? take(**frame, place) : Result<void>(frame.error());
    if (!taken) {
      damaged_.emplace_back(place, taken.error());
      return;
    }
    ++remains_.images;
    remains_.image_bytes += place.stored_bytes;
  }

  Result<void> take(const FrameHeader& frame, const ImagePlace& place);
  Result<void> take_node(const FrameHeader& frame, const ImagePlace& place);
  Result<void> take_catalog(const FrameHeader& frame);
  Result<void> take_values(const FrameHeader& frame);
  void report(const ImagePlace& place, const Error& error);
  [[nodiscard]] std::optional<std::uint32_t> index_of(NodeId id) const;

  ImageReader& reader_;
  const NodeId catalog_;
  FaultList& faults_;
  NodeId values_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> families_;  // node, and its parent's index
  std::vector<std::pair<ImagePlace, Error>> damaged_;
  Remains remains_;
};

Result<void> ImageSurvey::take(const FrameHeader& frame, const ImagePlace& place) {
  switch (reinterpret_cast<const Node&>(frame).owner.tag.kind) {
    case ObjectKind::node: return take_node(frame, place);
    case ObjectKind::catalog: return take_catalog(frame);
    case ObjectKind::values: return take_values(frame);
    case ObjectKind::root: {
      const auto root = decode_root(content_of(frame));
      if (!root) return root.error();
      IndexRemains& index = remains_.indexes[root->tag.index];
      index.root = root->root;
      index.root_id = place.id;
      families_.emplace_back(root->root.node, root->tag.index);
      return {};
    }
    case ObjectKind::none: break;
  }
  return Error(ErrorCode::corruption, "node", "the image does not say what it is");
}

Result<void> ImageSurvey::take_node(const FrameHeader& frame, const ImagePlace& place) {
  const auto image = NodeImage::of(frame);
  if (!image) return image.error();
  const Node& node = image->node();
  const std::uint32_t number = node.owner.tag.index;
  IndexRemains& index = remains_.indexes[number];
  if (!index.schema) index.schema = image->schema();
  if (*index.schema != image->schema()) {
    return Error(ErrorCode::corruption, "node", "its schema is not that of its index");
  }
  if (image->is_leaf()) {
    index.leaves.push_back(place);
    index.leaf_entries += node.count;
    return {};
  }
  for (std::size_t i = 0; i < node.count; ++i) families_.emplace_back(image->child(i), number);
  return {};
}

Result<void> ImageSurvey::take_catalog(const FrameHeader& frame) {
  auto catalog = decode_catalog(content_of(frame));
  if (!catalog) return catalog.error();
  remains_.has_catalog = true;
  remains_.next_number = catalog->next_number;
  values_ = catalog->values;
  for (IndexDefinition& definition : catalog->indexes) {
    IndexRemains& index = remains_.indexes[definition.number];
    index.name = std::move(definition.name);
    index.schema = definition.schema;
    index.root_id = definition.root;
  }
  return {};
}

Result<void> ImageSurvey::take_values(const FrameHeader& frame) {
  NamedValues values;
  const auto done =
      visit_values(content_of(frame), [&](std::string_view name, std::string_view value) {
        values.emplace(name, value);
        return true;
      });
  if (done) remains_.values = std::move(values);
  return done;
}

std::optional<std::uint32_t> ImageSurvey::index_of(NodeId id) const {
  const auto found = std::ranges::lower_bound(families_, std::pair(id.bits, std::uint32_t{0}));
  if (found == families_.end() || found->first != id.bits) return std::nullopt;
  return found->second;
}

void ImageSurvey::report(const ImagePlace& place, const Error& error) {
  Fault& fault = faults_.error(reader_.path(place), error);
  fault.offset = place.offset;
  fault.node = place.id.bits;
  if (place.id == catalog_) {
    fault.text += "; it is the list of indexes";
    return;
  }
  if (place.id == values_) {
    fault.text += "; it is the named values";
    return;
  }
  for (const auto& [number, index] : remains_.indexes) {
    if (index.root_id != place.id) continue;
    fault.index = index.name;
    fault.text += "; it is the root object of an index";
    return;
  }
  ++remains_.lost_nodes;
  if (const auto number = index_of(place.id)) {
    IndexRemains& index = remains_.indexes[*number];
    fault.index = index.name;
    ++index.lost_nodes;
  }
}

}  // namespace

ObjectTag tag_of(const ImagePlace& place) noexcept { return std::bit_cast<ObjectTag>(place.tag); }

Remains survey_images(ImageReader& reader, std::vector<ImagePlace> live, NodeId catalog,
                      FaultList& faults) {
  return ImageSurvey(reader, catalog, faults).run(std::move(live));
}

void name_from_older_catalogs(ImageReader& reader, std::span<const ImagePlace> images,
                              Remains& remains) {
  for (const ImagePlace& place : images) {
    remains.next_number = std::max(remains.next_number, tag_of(place).index + 1);
    if (tag_of(place) != ObjectTag{0, ObjectKind::catalog}) continue;
    const auto frame = reader.read(place);
    if (!frame) continue;
    const auto catalog = decode_catalog(content_of(**frame));
    if (!catalog) continue;
    remains.next_number = std::max(remains.next_number, catalog->next_number);
    for (const IndexDefinition& definition : catalog->indexes) {
      const auto found = remains.indexes.find(definition.number);
      if (found == remains.indexes.end()) continue;
      IndexRemains& index = found->second;
      if (index.name.empty()) index.name = definition.name;
      if (!index.schema) index.schema = definition.schema;
    }
  }
}

}  // namespace xtree::index
