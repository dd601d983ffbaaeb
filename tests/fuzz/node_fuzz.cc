// The nodes of a tree with anything in them but for what the store checks before it hands them out:
// verify says yes or what is wrong, and a tree that it finds good can be asked.
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "fuzz/input.h"
#include "index/engine.h"
#include "index/memory_store.h"
#include "index/verify.h"

namespace {

using namespace xtree::index;
using xtree::test::require;

// Follows references as a durable store does: what is no node's reference cannot be read.
class CheckedView {
 public:
  using Images = std::map<Ref, std::vector<std::byte>>;

  explicit CheckedView(const Images& images) noexcept : images_(&images) {}
  const Node* node(Ref ref) const noexcept {
    return images_->contains(ref) ? MemoryView().node(ref) : nullptr;
  }
  void prefetch(Ref) const noexcept {}

 private:
  const Images* images_;
};

struct Tree {
  xtree::detail::Schema schema{2, xtree::detail::ScalarType::float32, xtree::Shape::boxes, 4};
  Layout layout{schema};
  std::unique_ptr<Engine<MemoryStore>> engine = make_engine<MemoryStore>(schema);
  MemoryStore store;
  Root root;
  CheckedView::Images images;

  Tree() {
    for (std::uint32_t i = 0; i < 900; ++i) {
      const auto x = static_cast<float>(i * 37 % 101);
      const auto y = static_cast<float>(i * 53 % 97);
      const float box[] = {x, y, x + 1, y + 2};
      engine->insert(store, root, box, &i).value();
    }
    xtree::IndexStats stats;
    engine->verify(store.view(), root, {}, stats, [&](Ref ref) {
            const Node* node = store.view().node(ref);
            const auto* bytes = reinterpret_cast<const std::byte*>(node);
            images[ref].assign(bytes, bytes + node->frame.bytes);
          })
        .value();
  }
  void restore() {
    for (const auto& [ref, image] : images) {
      std::memcpy(static_cast<void*>(store.edit(ref)), image.data(), image.size());
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Tree tree;
  tree.restore();
  Root root = tree.root;
  xtree::test::FuzzInput input(data, size);
  const auto change = input.take<std::uint8_t>();
  if (change % 8 == 1) root.height = input.take<std::uint8_t>();
  if (change % 8 == 2) root.entries = input.take<std::uint16_t>();
  while (!input.empty()) {
    const auto which = input.take<std::uint8_t>() % tree.images.size();
    auto image = tree.images.begin();
    std::advance(image, static_cast<std::ptrdiff_t>(which));
    constexpr std::size_t kChecked = sizeof(xtree::persistence::FrameHeader);
    // Every other write goes to the first bytes, which say how to read the rest.
    const auto at = input.take<std::uint16_t>();
    const std::size_t room = at % 2 == 0 ? 64 - kChecked : image->second.size() - kChecked;
    auto* bytes = reinterpret_cast<std::byte*>(tree.store.edit(image->first));
    bytes[kChecked + at / 2 % room] = input.take<std::byte>();
  }
  xtree::IndexStats stats;
  const auto verified = verify_tree<float>(tree.layout, CheckedView(tree.images), root, stats,
                                           [](Ref) {});
  if (!verified) {
    // The latter for a reference that leads nowhere.
    require(verified.error().code() == xtree::ErrorCode::corruption ||
            verified.error().code() == xtree::ErrorCode::io_error);
    return 0;
  }
  xtree::detail::Window<float> all;
  for (int axis = 0; axis < 2; ++axis) {
    constexpr float kFar = std::numeric_limits<float>::infinity();
    all.low_min[axis] = all.high_min[axis] = -kFar;
    all.low_max[axis] = all.high_max[axis] = kFar;
  }
  require(tree.engine->count(tree.store.view(), root.node, &all) == root.entries);
  return 0;
}
