// Checkpoints as a map from handles to images, and a driver that keeps a Storage in step with it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "persistence/storage.h"
#include "support/random.h"

namespace xtree::test {

using persistence::NodeId;
using persistence::Storage;
using persistence::TableEntry;

// So many bits of each word are random, so that it can be packed or not.
inline std::vector<std::byte> random_image(NodeId id, std::size_t bytes, Random& random,
                                           unsigned random_bits = 64) {
  std::vector<std::byte> image(bytes);
  for (std::size_t i = 0; i < bytes; i += 8) {
    const std::uint64_t word = random.next() >> (64 - random_bits);
    std::memcpy(&image[i], &word, 8);
  }
  persistence::FrameHeader header = {};
  header.node_id = id.bits;
  header.birth = random.next();
  header.bytes = static_cast<std::uint32_t>(bytes);
  std::memcpy(image.data(), &header, sizeof header);
  return image;
}

// One that this build has.
inline Compression any_compression(Random& random) {
  const auto wanted = static_cast<Compression>(random.below(3));
  return is_supported(wanted) ? wanted : Compression::none;
}

// An image as `write` was given it: without what is filled in on the way to the disk.
inline std::vector<std::byte> without_checksum(std::vector<std::byte> image) {
  persistence::FrameHeader header;
  if (image.size() < sizeof header) return {};
  std::memcpy(&header, image.data(), sizeof header);
  header.checksum = 0;
  std::memcpy(image.data(), &header, sizeof header);
  return image;
}

struct StoredNode {
  NodeId id;
  TableEntry entry;
  std::vector<std::byte> image;  // empty for a free slot
};
using Contents = std::map<std::uint64_t, StoredNode>;

// Adds, changes, moves and frees some nodes of `contents` through `storage`, without committing.
// False when a write failed.
inline bool write_random_changes(Storage& storage, Contents& contents,
                                 std::vector<TableEntry>& changes, Random& random) {
  std::map<std::uint64_t, TableEntry> changed;
  const std::uint64_t count = random.below(12);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t handle = random.below(40);
    if (changed.contains(handle)) continue;
    StoredNode& node = contents[handle];
    storage.release(node.entry);
    const bool was_free = node.image.empty();
    if (was_free || random.one_in(4)) {
      const auto tag = static_cast<std::uint16_t>(node.id.tag() + 1);
      node.id = NodeId::make(handle, tag);
    }
    if (!was_free && random.one_in(4)) {
      node.image.clear();
      node.entry = {node.id, {}, 0, 0};
    } else {
      const std::size_t most = random.one_in(8) ? 300 : 90;
      node.image = random_image(node.id, 64 * random.between(1, most), random,
                                random.one_in(2) ? 64 : 12);
      const auto entry = storage.write(node.id, node.image, 0, any_compression(random));
      if (!entry) return false;
      node.entry = *entry;
    }
    changed[handle] = node.entry;
  }
  for (auto& [handle, node] : contents) {
    if (node.image.empty() || changed.contains(handle) || !random.one_in(6)) continue;
    const auto moved = storage.move(node.entry);
    if (!moved) return false;
    if (*moved == node.entry) continue;  // it could not be read, and stays where it is
    changed[handle] = node.entry = *moved;
  }
  changes.clear();
  for (const auto& [handle, entry] : changed) changes.push_back(entry);
  return true;
}

// Why what `storage` holds is not `expected`; empty when it is.
inline std::string difference(Storage& storage, const Contents& expected) {
  const std::vector<TableEntry> table = storage.take_table();
  if (table.size() != expected.size()) return "the tables differ in size";
  std::size_t i = 0;
  for (const auto& [handle, node] : expected) {
    const TableEntry& entry = table[i++];
    if (entry != node.entry || entry.id != node.id) return "an entry differs";
    if (node.image.empty()) continue;
    std::vector<std::byte> image(entry.bytes);
    const auto read = storage.read(entry, image);
    if (!read) return read.error().message();
    if (!std::ranges::equal(without_checksum(image), node.image)) return "an image differs";
  }
  return "";
}

inline persistence::Checkpoint some_checkpoint(std::uint64_t n) {
  persistence::Checkpoint checkpoint;
  checkpoint.epoch = 10 * n;
  checkpoint.next_lsn = 100 * n + 1;
  checkpoint.log_file = n;
  checkpoint.log_offset = 4096 * n;
  checkpoint.log_generation = 1;
  return checkpoint;
}

}  // namespace xtree::test
