// CountingStore: a memory store that counts what the tree asks of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "index/memory_store.h"

namespace xtree::index {

class CountingStore {
 public:
  using View = MemoryView;
  static constexpr std::size_t kFrontWordBytes = 0;

  [[nodiscard]] View view() const noexcept { return {}; }
  [[nodiscard]] bool reserve(std::size_t bytes, std::size_t = 0) noexcept {
    most_reserved = std::max(most_reserved, bytes);
    return store_.reserve(bytes);
  }
  [[nodiscard]] Node* create(std::size_t bytes, persistence::FrameFront = {}) noexcept {
    ++created;
    written_bytes += bytes;
    return store_.create(bytes);
  }
  [[nodiscard]] Node* create_unwritten(std::size_t bytes, persistence::FrameFront = {}) noexcept {
    ++created;
    written_bytes += bytes;
    return store_.create_unwritten(bytes);
  }
  [[nodiscard]] Node* edit(const Node& newest) noexcept { return store_.edit(newest); }
  [[nodiscard]] Node* resize(Ref ref, std::size_t bytes, persistence::FrameFront = {}) noexcept {
    if (store_.edit(ref)->frame.bytes != bytes) written_bytes += bytes;
    return store_.resize(ref, bytes);
  }
  void destroy(Ref ref) noexcept {
    ++destroyed;
    store_.destroy(ref);
  }

  [[nodiscard]] std::uint64_t nodes() const noexcept { return store_.nodes(); }
  [[nodiscard]] std::size_t bytes_in_use() const noexcept { return store_.bytes_in_use(); }
  [[nodiscard]] std::size_t bytes_mapped() const noexcept { return store_.bytes_mapped(); }

  std::uint64_t created = 0;
  std::uint64_t destroyed = 0;
  std::uint64_t written_bytes = 0;  // of nodes that were made or moved
  std::size_t most_reserved = 0;

 private:
  MemoryStore store_;
};
static_assert(NodeStore<CountingStore>);

}  // namespace xtree::index
