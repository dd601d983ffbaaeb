// What the tests of the log share: payloads that can be told apart, and replays that remember.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "wal/crashing_file_system.h"
#include "wal/log_file.h"
#include "wal/reader.h"
#include "wal/writer.h"

namespace xtree::test {

inline constexpr const char* kLogDirectory = "db/wal";
inline constexpr std::uint64_t kTestFileBytes = 16 * wal::kBlockBytes;

using Payload = std::vector<std::byte>;

// The same for the same arguments, and different for others.
inline Payload make_payload(std::uint64_t seed, std::size_t bytes) {
  Payload payload(bytes);
  std::uint64_t state = seed;
  for (std::byte& value : payload) {
    state = state * 6364136223846793005 + 1442695040888963407;
    value = static_cast<std::byte>(state >> 56);
  }
  return payload;
}

struct SeenGroup {
  wal::GroupInfo info;
  Payload payload;
};

struct Replayed {
  Result<wal::LogEnd> end;
  std::vector<SeenGroup> groups;
};

inline Replayed replay(FileSystem& files, wal::LogPosition from = {}, std::uint64_t generation = 0,
                       std::uint64_t first_lsn = 1) {
  std::vector<SeenGroup> groups;
  auto end = wal::replay_log(files, kLogDirectory, from, generation, first_lsn,
                             [&](const wal::GroupInfo& info, std::span<const std::byte> payload) {
                               groups.push_back({info, Payload(payload.begin(), payload.end())});
                               return Result<void>();
                             });
  return {std::move(end), std::move(groups)};
}

inline std::unique_ptr<wal::LogWriter> create_writer(FileSystem& files,
                                                     const wal::LogEnd& after = {}) {
  return wal::LogWriter::create(files, kLogDirectory, after, kTestFileBytes).value();
}

// Replays everything and begins a new generation.
inline std::unique_ptr<wal::LogWriter> reopen(FileSystem& files) {
  return create_writer(files, replay(files).end.value());
}

inline Result<void> append(wal::LogWriter& writer, std::span<const std::byte> payload,
                           std::uint32_t operations = 1) {
  const std::uint64_t lsn = writer.next_lsn();
  return writer.append(
      {.first_lsn = lsn, .operations = operations, .epoch = lsn + 100, .time_us = lsn * 1000},
      payload);
}

inline std::string path_of(std::uint64_t file) { return wal::log_file_path(kLogDirectory, file); }

}  // namespace xtree::test
