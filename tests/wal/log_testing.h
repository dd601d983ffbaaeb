// What the tests of the log share: payloads that can be told apart, and replays that remember.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/crashing_disk.h"
#include "wal/log_file.h"
#include "wal/reader.h"
#include "wal/writer.h"

namespace xtree::test {

inline constexpr const char* kLogDirectory = "wal";
inline constexpr std::uint64_t kTestFileBytes = 16 * wal::kBlockBytes;

using testing::Call;
using testing::SimulatedFileSystem;

inline const Error kPlanted(ErrorCode::io_error, 5, "disk", "planted");

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

// Releases files of the log, and removes those that are not kept.
inline Result<void> release_before(wal::LogWriter& writer, FileSystem& files, std::uint64_t file) {
  if (auto released = writer.release_before(file); !released) return released;
  return writer.remove_unneeded([&](const std::string& path) { return files.remove(path); });
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

inline wal::GroupInfo next_info(const wal::LogWriter& writer, std::uint32_t operations) {
  const std::uint64_t lsn = writer.next_lsn();
  return {.first_lsn = lsn, .operations = operations, .epoch = lsn + 100, .time_us = lsn * 1000};
}
inline Result<void> append(wal::LogWriter& writer, std::span<const std::byte> payload,
                           std::uint32_t operations = 1) {
  return writer.append(next_info(writer, operations), payload);
}
inline Result<void> add(wal::LogWriter& writer, std::span<const std::byte> payload,
                        std::uint32_t operations = 1) {
  return writer.add(next_info(writer, operations), payload);
}

inline std::string path_of(std::uint64_t file) { return wal::log_file_path(kLogDirectory, file); }

inline void expect_groups(const Replayed& replayed, std::uint64_t first_lsn, std::uint64_t count,
                          std::size_t bytes) {
  ASSERT_TRUE(replayed.end) << replayed.end.error().message();
  ASSERT_EQ(replayed.groups.size(), count);
  EXPECT_EQ(replayed.end->groups, count);
  EXPECT_EQ(replayed.end->next_lsn, first_lsn + count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const SeenGroup& group = replayed.groups[i];
    EXPECT_EQ(group.info.first_lsn, first_lsn + i);
    EXPECT_EQ(group.info.epoch, first_lsn + i + 100);
    EXPECT_EQ(group.info.time_us, (first_lsn + i) * 1000);
    EXPECT_EQ(group.payload, make_payload(first_lsn + i, bytes));
  }
}

inline void append_many(wal::LogWriter& writer, std::uint64_t count, std::size_t bytes) {
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(append(writer, make_payload(writer.next_lsn(), bytes)));
  }
}

inline void append_synced(wal::LogWriter& writer, std::uint64_t count, std::size_t bytes) {
  for (std::uint64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(append(writer, make_payload(writer.next_lsn(), bytes)));
    ASSERT_TRUE(writer.sync());
  }
}

inline void expect_corruption(const Replayed& replayed, const std::string& place) {
  ASSERT_FALSE(replayed.end);
  EXPECT_EQ(replayed.end.error().code(), ErrorCode::corruption) << replayed.end.error().message();
  EXPECT_EQ(replayed.end.error().place(), place) << replayed.end.error().message();
}

inline std::string at(std::uint64_t file, std::uint64_t offset) {
  return path_of(file) + ":" + std::to_string(offset);
}

}  // namespace xtree::test
