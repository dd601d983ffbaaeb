// DurableStore: the tree's nodes as versions behind NodeIDs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "index/growth.h"
#include "index/node.h"
#include "index/operation.h"
#include "index/root_object.h"
#include "index/store.h"
#include "persistence/version_store.h"

namespace xtree::index {

// What a reader sees at one epoch. The guard that keeps that epoch readable, and the place where a
// failed read leaves its error, belong to the query and outlive the view.
class DurableView {
 public:
  explicit DurableView(const persistence::ReadView& view) noexcept : view_(view) {}

  [[nodiscard]] [[gnu::always_inline]] const Node* node(Ref ref) const noexcept {
    return reinterpret_cast<const Node*>(view_.version(persistence::NodeId{ref}));
  }
  void prefetch(Ref ref) const noexcept {
    view_.prefetch<kPrefetchedLines>(persistence::NodeId{ref});
  }

  using Lead = persistence::Lead;
  [[nodiscard]] [[gnu::always_inline]] Lead lead(const Node& node, const Layout& layout,
                                                 std::size_t index) const noexcept {
    return view_.lead(&node.frame, index, [&](std::uint64_t link) {
      return look_up(node, layout, index, link);
    });
  }
  [[nodiscard]] Lead lead(Ref ref) const noexcept { return Lead(persistence::NodeId{ref}); }
  [[nodiscard]] const Node* node(Lead lead) const noexcept {
    return reinterpret_cast<const Node*>(view_.version(lead));
  }
  [[gnu::always_inline]] void prefetch(Lead lead) const noexcept {
    for (std::size_t i = 0; i < kPrefetchedLines; ++i) prefetch_at(lead, 64 * i);
  }
  // The links of a usual node, which stand in front of it.
  [[gnu::always_inline]] void prefetch_family(Lead lead) const noexcept {
    constexpr std::size_t kBytes = link_count(1, kDirectoryBlocks) * sizeof(std::uint64_t);
    for (std::size_t i = 64; i <= kBytes; i += 64) prefetch_at(lead, -i);
  }
  [[gnu::always_inline]] void prefetch_at(Lead lead, std::size_t offset) const noexcept {
    persistence::ReadView::prefetch_at(lead, offset);
  }
  // A NodeID leads to a node that is on disk, or that has an older version for this reader.
  [[nodiscard]] static bool is_far(Lead lead) noexcept { return lead.is_id(); }
  void load_ahead(std::span<const Lead> far) const noexcept {
    std::array<persistence::NodeId, persistence::ReadView::kMostAtOnce> ids;
    std::size_t count = 0;
    for (const Lead lead : far.first(std::min(far.size(), ids.size()))) ids[count++] = lead.id();
    view_.load_ahead({ids.data(), count});
  }
  [[nodiscard]] [[gnu::always_inline]] std::uint32_t entry_count(
      const Node& leaf) const noexcept {
    return entries_at(leaf, view_.epoch());
  }
  [[nodiscard]] bool is_of_epoch(const Node& node) const noexcept {
    return index::is_of_epoch(node, view_.epoch());
  }
  [[nodiscard]] bool is_still(const Node& node) const noexcept {
    return node.frame.front.words() == 0 || view_.is_writers();
  }
  // Whether the parent's link at this place is closed, unknown, or leads to the child; without a
  // child it must not lead anywhere.
  [[nodiscard]] bool link_is_right(const Node& parent, std::size_t index,
                                   const Node* child) const noexcept {
    const std::uint64_t link =
        persistence::load_link(&parent.frame, index) & ~persistence::kCoolLink;
    if (!persistence::is_address(link)) return true;
    return child != nullptr && node(Lead(persistence::frame_at(link))) == child;
  }

 private:
  [[nodiscard]] [[gnu::noinline]] Lead look_up(const Node& node, const Layout& layout,
                                               std::size_t index,
                                               std::uint64_t link) const noexcept {
    return view_.look_up(&node.frame, index, link,
                         persistence::NodeId{child_ref(node, layout, index)});
  }

  persistence::ReadView view_;
};

// The writer's side, for the running epoch. A few words, made where it is needed.
class DurableStore {
 public:
  using View = DurableView;
  static constexpr std::size_t kFrontWordBytes = sizeof(std::uint64_t);
  using Front = persistence::FrameFront;

  // `newest` is the writer's own view, of everything so far. New nodes are `owner`'s, and `trail`
  // is that of the tree.
  DurableStore(persistence::VersionStore& store, const persistence::ReadView& newest,
               const NodeOwner& owner, Trail& trail) noexcept
      : store_(store), newest_(newest), owner_(owner), trail_(trail) {}

  [[nodiscard]] View view() noexcept { return newest_; }
  [[nodiscard]] bool reserve(std::size_t bytes,
                             std::size_t largest = persistence::kMaxFrameBytes) noexcept {
    return store_.reserve(bytes, largest);
  }
  [[nodiscard]] std::span<std::byte> map_ahead(std::size_t bytes, std::size_t largest) noexcept {
    return store_.map_ahead(bytes, largest);
  }
  [[nodiscard]] Node* create(std::size_t bytes, Front front = {}) noexcept {
    return owned(reinterpret_cast<Node*>(store_.create(bytes, front)));
  }
  [[nodiscard]] Node* create_unwritten(std::size_t bytes, Front front = {}) noexcept {
    return owned(reinterpret_cast<Node*>(store_.create_unwritten(bytes, front)));
  }
  [[nodiscard]] Node* edit(const Node& newest) noexcept {
    return young(store_.edit(const_cast<Node&>(newest).frame));
  }
  [[nodiscard]] Node* resize(Ref ref, std::size_t bytes, Front front = {}) noexcept {
    return young(store_.resize(persistence::NodeId{ref}, bytes, front));
  }
  [[nodiscard]] Node* grow(const Node& newest) noexcept {
    persistence::FrameHeader* frame = store_.grow(const_cast<Node&>(newest).frame);
    const bool is_young = frame == nullptr || frame->birth == store_.epoch();
    return is_young ? young(frame) : reinterpret_cast<Node*>(frame);
  }
  [[nodiscard]] bool grows_in_place(const Node& newest) const noexcept {
    return store_.grows_in_place(newest.frame);
  }
  void show_entry(Node& leaf) noexcept { index::show_entry(leaf, store_.epoch()); }
  void note_growth(Node& node) noexcept { index::note_growth(node, store_.epoch()); }
  void destroy(Ref ref) noexcept { store_.destroy(persistence::NodeId{ref}); }
  [[nodiscard]] Trail& trail() noexcept { return trail_; }

  void link_child(const Node& parent, std::size_t index, const Node& child) noexcept {
    persistence::set_link(&parent.frame, index, &child.frame);
  }
  // The parent is one that nobody has seen yet, as its children change.
  void move_last_link(Node& parent, std::size_t index) noexcept {
    persistence::move_link(&parent.frame, parent.count, index);
  }
  void forget_links(Node& node) noexcept { persistence::forget_links(&node.frame); }

 private:
  // A version of the running epoch, perhaps the copy of one that had changed.
  [[nodiscard]] static Node* young(persistence::FrameHeader* frame) noexcept {
    auto* node = reinterpret_cast<Node*>(frame);
    if (node != nullptr) node->changed = 0;
    return node;
  }
  [[nodiscard]] Node* owned(Node* node) const noexcept {
    if (node != nullptr) node->owner = owner_;
    return node;
  }

  persistence::VersionStore& store_;
  View newest_;
  NodeOwner owner_;
  Trail& trail_;
};

static_assert(NodeStore<DurableStore>);

// What the frame of a version needs in front, to be changed in place if it is what may be.
[[nodiscard]] inline persistence::FrameFront front_of_version(
    const persistence::FrameHeader& version) noexcept {
  const auto& node = reinterpret_cast<const Node&>(version);
  if (node.owner.tag.kind == ObjectKind::root) return kRootFront;
  if (node.owner.tag.kind != ObjectKind::node || node.blocks > kMaxSupernodeBlocks) return {};
  const auto schema = decode_schema(node.owner.schema);
  return schema ? Layout(*schema).front(node.level, node.blocks) : persistence::FrameFront{};
}

// The epoch of a version's last change in place.
[[nodiscard]] inline std::uint64_t last_change_of(
    const persistence::FrameHeader& version) noexcept {
  const auto& node = reinterpret_cast<const Node&>(version);
  return node.owner.tag.kind == ObjectKind::node ? node.changed : 0;
}

// The child at a place of a frame with links. What is no tree node has none; how large a block is
// follows from the node's size.
[[nodiscard]] inline persistence::NodeId child_of_frame(const persistence::FrameHeader& frame,
                                                        std::size_t index) noexcept {
  const auto& node = reinterpret_cast<const Node&>(frame);
  if (node.owner.tag.kind != ObjectKind::node || node.level == 0 || index >= node.count) return {};
  const std::size_t block_bytes = (frame.bytes - sizeof(Node)) / node.blocks;
  const std::byte* behind = node.block(index / kDirectoryLanes + 1, block_bytes);
  return {(reinterpret_cast<const Ref*>(behind) - kDirectoryLanes)[index % kDirectoryLanes]};
}

}  // namespace xtree::index
