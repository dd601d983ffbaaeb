// A NodeSource that keeps images in memory: a disk for tests of the version store.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <unordered_map>
#include <vector>

#include "persistence/node_source.h"
#include "persistence/storage.h"

namespace xtree::persistence {

class MemorySource final : public NodeSource {
 public:
  Result<void> read(const TableEntry& entry, std::span<std::byte> image) const override {
    reads_.fetch_add(1);
    if (fail_.load()) return Error(ErrorCode::io_error, "memory", "told to fail");
    const auto found = images_.find(entry.address.segment);
    if (found == images_.end() || found->second.size() != image.size()) {
      return Error(ErrorCode::corruption, "memory", "no such image");
    }
    std::memcpy(image.data(), found->second.data(), image.size());
    return {};
  }

  // Writes what a checkpoint would write of this version.
  TableEntry write(const FrameHeader* frame) {
    std::vector<std::byte> image(frame->bytes);
    FrameHeader header{};
    header.node_id = frame->node_id;
    header.birth = frame->birth;
    header.bytes = frame->bytes;
    std::memcpy(image.data() + sizeof header, frame + 1, image.size() - sizeof header);
    std::memcpy(image.data(), &header, sizeof header);
    header.checksum = image_checksum(image);
    std::memcpy(image.data(), &header, sizeof header);
    TableEntry entry{NodeId{frame->node_id}, {.segment = ++last_}, header.checksum, header.bytes};
    images_.emplace(last_, std::move(image));
    return entry;
  }
  void remove(const TableEntry& entry) { images_.erase(entry.address.segment); }

  [[nodiscard]] std::vector<std::byte>& image(const TableEntry& entry) {
    return images_.at(entry.address.segment);
  }
  void fail(bool failing) { fail_.store(failing); }
  [[nodiscard]] std::size_t reads() const { return reads_.load(); }

 private:
  std::unordered_map<std::uint32_t, std::vector<std::byte>> images_;
  std::uint32_t last_ = 0;
  std::atomic<bool> fail_ = false;
  mutable std::atomic<std::size_t> reads_ = 0;
};

// Nodes whose whole content says one number.
inline void fill(FrameHeader* frame, std::uint64_t value) {
  auto* words = reinterpret_cast<std::uint64_t*>(frame + 1);
  for (std::size_t i = 0; i < (frame->bytes - sizeof(FrameHeader)) / 8; ++i) words[i] = value;
}

// Whether every word of the frame from the `first` on is `value`.
inline bool says(const FrameHeader* frame, std::uint64_t value, std::size_t first = 0) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(frame + 1);
  for (std::size_t i = first; i < (frame->bytes - sizeof(FrameHeader)) / 8; ++i) {
    if (words[i] != value) return false;
  }
  return true;
}

}  // namespace xtree::persistence
