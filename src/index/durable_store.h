// DurableStore: the tree's nodes as versions behind NodeIDs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "index/node.h"
#include "index/store.h"
#include "persistence/version_store.h"

namespace xtree::index {

// What a reader sees at one epoch. The guard that keeps that epoch readable, and the place where a
// failed read leaves its error, belong to the query and outlive the view.
class DurableView {
 public:
  explicit DurableView(const persistence::ReadView& view) noexcept : view_(view) {}

  [[nodiscard]] const Node* node(Ref ref) const noexcept {
    return reinterpret_cast<const Node*>(view_.version(persistence::NodeId{ref}));
  }
  void prefetch(Ref ref) const noexcept {
    view_.prefetch<kPrefetchedLines>(persistence::NodeId{ref});
  }

  using Lead = persistence::Lead;
  [[nodiscard]] Lead lead(const Node& node, const Layout& layout,
                          std::size_t index) const noexcept {
    return view_.lead(&node.frame, index,
                      [&] { return persistence::NodeId{child_ref(node, layout, index)}; });
  }
  [[nodiscard]] Lead lead(Ref ref) const noexcept { return Lead(persistence::NodeId{ref}); }
  [[nodiscard]] const Node* node(Lead lead) const noexcept {
    return reinterpret_cast<const Node*>(view_.version(lead));
  }
  void prefetch(Lead lead) const noexcept {
    for (std::size_t i = 0; i < kPrefetchedLines; ++i) prefetch_at(lead, 64 * i);
  }
  // The links of a usual node, which stand in front of it.
  void prefetch_family(Lead lead) const noexcept {
    constexpr std::size_t kBytes = link_count(1, kDirectoryBlocks) * sizeof(std::uint64_t);
    for (std::size_t i = 64; i <= kBytes; i += 64) prefetch_at(lead, -i);
  }
  void prefetch_at(Lead lead, std::size_t offset) const noexcept {
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
  persistence::ReadView view_;
};

// The writer's side, for the running epoch. A few words, made where it is needed.
class DurableStore {
 public:
  using View = DurableView;
  static constexpr std::size_t kLinkBytes = sizeof(std::uint64_t);

  // `newest` is the writer's own view, of everything so far. New nodes are `owner`'s.
  DurableStore(persistence::VersionStore& store, const persistence::ReadView& newest,
               const NodeOwner& owner) noexcept
      : store_(store), newest_(newest), owner_(owner) {}

  [[nodiscard]] View view() noexcept { return newest_; }
  [[nodiscard]] bool reserve(std::size_t bytes,
                             std::size_t largest = persistence::kMaxFrameBytes) noexcept {
    return store_.reserve(bytes, largest);
  }
  [[nodiscard]] Node* create(std::size_t bytes, std::size_t links = 0) noexcept {
    return owned(reinterpret_cast<Node*>(store_.create(bytes, links)));
  }
  [[nodiscard]] Node* create_unwritten(std::size_t bytes, std::size_t links = 0) noexcept {
    return owned(reinterpret_cast<Node*>(store_.create_unwritten(bytes, links)));
  }
  [[nodiscard]] Node* edit(Ref ref) noexcept {
    return reinterpret_cast<Node*>(store_.edit(persistence::NodeId{ref}));
  }
  [[nodiscard]] Node* resize(Ref ref, std::size_t bytes, std::size_t links = 0) noexcept {
    return reinterpret_cast<Node*>(store_.resize(persistence::NodeId{ref}, bytes, links));
  }
  void destroy(Ref ref) noexcept { store_.destroy(persistence::NodeId{ref}); }

  void link_child(const Node& parent, std::size_t index, const Node& child) noexcept {
    persistence::set_link(&parent.frame, index, &child.frame);
  }
  // The parent is one that nobody has seen yet, as its children change.
  void move_last_link(Node& parent, std::size_t index) noexcept {
    persistence::move_link(&parent.frame, parent.count, index);
  }
  void forget_links(Node& node) noexcept { persistence::forget_links(&node.frame); }

 private:
  [[nodiscard]] Node* owned(Node* node) const noexcept {
    if (node != nullptr) node->owner = owner_;
    return node;
  }

  persistence::VersionStore& store_;
  View newest_;
  NodeOwner owner_;
};

static_assert(NodeStore<DurableStore>);

// How many links the frame of an image needs. An object that is no node may pass for a directory
// node here; it then has links that nobody uses.
[[nodiscard]] inline std::size_t links_of_image(const persistence::FrameHeader& image) noexcept {
  if (image.bytes < sizeof(Node)) return 0;
  const auto& node = reinterpret_cast<const Node&>(image);
  return node.blocks > kMaxSupernodeBlocks ? 0 : link_count(node.level, node.blocks);
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
