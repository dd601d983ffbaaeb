#include "index/memory_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "support/random.h"

namespace xtree::index {
namespace {

constexpr std::size_t kBehindHeader = sizeof(persistence::FrameHeader);

std::byte* contents(Node* node) { return reinterpret_cast<std::byte*>(node) + kBehindHeader; }

bool all_zero(Node* node, std::size_t from, std::size_t to) {
  const auto* bytes = reinterpret_cast<const std::byte*>(node);
  return std::all_of(bytes + from, bytes + to, [](std::byte b) { return b == std::byte{0}; });
}

TEST(MemoryStore, MakesZeroedNodesThatKnowTheirNames) {
  MemoryStore store;
  std::vector<Node*> nodes;
  // Twice, so that memory comes back that was in use.
  for (int round = 0; round < 2; ++round) {
    for (std::size_t bytes = 64; bytes <= 8192; bytes += 64) {
      Node* node = store.create(bytes);
      ASSERT_NE(node, nullptr);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(node) % 64, 0u);
      EXPECT_EQ(node->frame.bytes, bytes);
      EXPECT_EQ(node->frame.birth, 0u);
      EXPECT_EQ(node->frame.previous, nullptr);
      EXPECT_EQ(store.view().node(node->frame.node_id), node);
      EXPECT_EQ(store.edit(node->frame.node_id), node);
      EXPECT_TRUE(all_zero(node, kBehindHeader, bytes));
      std::memset(contents(node), 0xa5, bytes - kBehindHeader);
      nodes.push_back(node);
    }
    EXPECT_EQ(store.nodes(), nodes.size());
    for (Node* node : nodes) store.destroy(node->frame.node_id);
    nodes.clear();
    EXPECT_EQ(store.nodes(), 0u);
    EXPECT_EQ(store.bytes_in_use(), 0u);
  }
}

TEST(MemoryStore, LeavesANodeWhereItIsThatGetsALittleShorter) {
  MemoryStore store;
  Node* node = store.create(4096);
  const Ref ref = node->frame.node_id;
  EXPECT_EQ(store.resize(ref, 3072), node);
  EXPECT_EQ(node->frame.bytes, 3072u);
  EXPECT_EQ(node->frame.node_id, ref);
  EXPECT_EQ(store.bytes_in_use(), 3072u);
  // Half of it would leave a hole that hardly any node fits.
  EXPECT_NE(store.resize(ref, 1536), node);
  EXPECT_EQ(store.bytes_in_use(), 1536u);
}

TEST(MemoryStore, KeepsContentsWhenANodeIsResized) {
  test::Random random(test::test_seed("MemoryStore"));
  MemoryStore store;
  std::map<Ref, std::vector<std::byte>> model;
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t bytes = random.between(1, 100) * 64;
    if (model.size() < 20 || (model.size() < 200 && random.one_in(3))) {
      Node* node = store.create(bytes);
      std::vector<std::byte> image(bytes - kBehindHeader);
      for (std::byte& byte : image) byte = static_cast<std::byte>(random.next());
      std::copy(image.begin(), image.end(), contents(node));
      model[node->frame.node_id] = image;
      continue;
    }
    auto found = std::next(model.begin(), static_cast<std::ptrdiff_t>(random.below(model.size())));
    auto [ref, image] = *found;
    model.erase(found);
    ASSERT_TRUE(std::equal(image.begin(), image.end(), contents(store.edit(ref))));
    if (random.one_in(4)) {
      store.destroy(ref);
      continue;
    }
    Node* node = store.resize(ref, bytes);
    ASSERT_EQ(node->frame.bytes, bytes);
    if (bytes == image.size() + kBehindHeader) {
      EXPECT_EQ(node->frame.node_id, ref);
    }
    image.resize(bytes - kBehindHeader);
    ASSERT_TRUE(std::equal(image.begin(), image.end(), contents(node))) << "kept, and zero behind";
    model[node->frame.node_id] = image;
  }
  EXPECT_EQ(store.nodes(), model.size());
}

TEST(MemoryStore, GivesOutWhatItReserved) {
  constexpr std::size_t kLimit = 1 << 20;
  constexpr std::size_t kBytes = 12'800;
  MemoryStore store(kLimit);
  EXPECT_FALSE(store.reserve(2 * kLimit));
  std::vector<Node*> nodes;
  while (store.reserve(3 * kBytes)) {
    for (int i = 0; i < 2; ++i) {
      nodes.push_back(store.create(kBytes));
      ASSERT_NE(nodes.back(), nullptr);
      std::memset(contents(nodes.back()), 1, kBytes - kBehindHeader);
    }
    Node* longer = store.resize(nodes.back()->frame.node_id, kBytes);
    ASSERT_EQ(longer, nodes.back());
  }
  EXPECT_GT(nodes.size(), kLimit / kBytes / 2);
  EXPECT_LE(store.bytes_mapped(), kLimit);
  // Without memory nothing changes.
  while (Node* node = store.create(kBytes)) nodes.push_back(node);
  const std::uint64_t count = store.nodes();
  EXPECT_EQ(count, nodes.size());
  EXPECT_EQ(store.resize(nodes[0]->frame.node_id, 2 * kBytes), nullptr);
  EXPECT_EQ(nodes[0]->frame.bytes, kBytes);
  EXPECT_EQ(contents(nodes[0])[0], std::byte{1});
  EXPECT_EQ(store.nodes(), count);
  store.destroy(nodes.back()->frame.node_id);
  EXPECT_TRUE(store.reserve(kBytes));
  EXPECT_NE(store.create(kBytes), nullptr);
}

}  // namespace
}  // namespace xtree::index
