// HandleWorld: a table of handles with a frame behind each, and chains through the frames.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "persistence/links.h"
#include "persistence/object_table.h"
#include "platform/memory.h"

namespace xtree::bench {

using persistence::FrameHeader;
using persistence::NodeId;
using persistence::ObjectTable;

// A frame as small as they come, which knows the next one of its chain in four ways. One is the
// engine's own link, which stands in front of the frame; the plain pointer stands on the same line.
struct alignas(64) Link {
  const Link* next;
  std::uint64_t spare[6];
  std::uint64_t next_link;
  FrameHeader header;
  NodeId next_id;
  std::uint64_t next_word;  // its place in the bare array
  std::uint64_t more[2];
};
static_assert(sizeof(Link) == 128 && offsetof(Link, header) == 64);

// `handles` live nodes in the engine's own object table, made by as many threads' worth of shards
// one after the other, all in memory and all born at epoch 1; and a bare array of words with their
// addresses. Frames lie in an order of their own, as nodes do that were made at different times.
class HandleWorld {
 public:
  static constexpr std::uint64_t kEpoch = 1;

  explicit HandleWorld(std::uint64_t handles, unsigned shards = 1)
      : table_(value(ObjectTable::create())),
        frames_(value(range(handles * sizeof(Link)))),
        words_(value(range(handles * sizeof(std::uint64_t)))) {
    ids_.reserve(handles);
    std::vector<ObjectTable::Allocator> allocators;
    while (allocators.size() < shards) allocators.push_back(table_.lease());
    auto* links = reinterpret_cast<Link*>(frames_.data());
    auto* words = reinterpret_cast<std::uint64_t*>(words_.data());
    const std::vector<std::uint32_t> places = shuffled(handles, 11);
    for (std::uint64_t i = 0; i < handles; ++i) {
      const NodeId id = allocators[i * shards / handles].allocate();
      Link* link = ::new (links + places[i]) Link{};
      link->header.node_id = id.bits;
      link->header.birth = kEpoch;
      link->header.bytes = sizeof(Link) - offsetof(Link, header);
      link->header.front = {1, 0};
      table_.set_frame(id, &link->header);
      words[i] = reinterpret_cast<std::uint64_t>(link);
      ids_.push_back(id);
    }
  }

  // Makes one ring of the links of these numbers, in this order, and returns the last of them.
  const Link* ring(const std::vector<std::uint32_t>& numbers) {
    Link* last = link(numbers.back());
    const Link* const end = last;
    for (const std::uint32_t number : numbers) {
      last->next_id = ids_[number];
      last->next = link(number);
      last->next_link = reinterpret_cast<std::uint64_t>(&link(number)->header);
      last->next_word = number;
      last = link(number);
    }
    return end;
  }

  [[nodiscard]] const ObjectTable& table() const noexcept { return table_; }
  [[nodiscard]] const std::uint64_t* words() const noexcept {
    return reinterpret_cast<const std::uint64_t*>(words_.data());
  }
  [[nodiscard]] const std::vector<NodeId>& ids() const noexcept { return ids_; }
  [[nodiscard]] Link* link(std::uint32_t number) const noexcept {
    return reinterpret_cast<Link*>(words()[number]);
  }

  // The numbers below `count` in random order.
  static std::vector<std::uint32_t> shuffled(std::uint64_t count, std::uint64_t seed) {
    std::vector<std::uint32_t> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0u);
    std::mt19937_64 random(seed);
    for (std::uint64_t i = count; i > 1; --i) std::swap(numbers[i - 1], numbers[random() % i]);
    return numbers;
  }

 private:
  static Result<platform::ReservedRange> range(std::uint64_t bytes) {
    return platform::ReservedRange::create(bytes, bytes);
  }
  template <class T>
  static T value(Result<T> result) {
    if (!result) {
      std::fprintf(stderr, "%s\n", result.error().message());
      std::exit(1);
    }
    return std::move(result).value();
  }

  ObjectTable table_;
  platform::ReservedRange frames_;
  platform::ReservedRange words_;
  std::vector<NodeId> ids_;
};

}  // namespace xtree::bench
