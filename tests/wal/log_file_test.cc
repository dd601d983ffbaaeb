#include "wal/log_file.h"

#include <gtest/gtest.h>

#include "platform/bytes.h"
#include "platform/crc32c.h"
#include "wal/log_testing.h"

namespace xtree::test {
namespace {

using wal::LogFileReader;

// Changes a header in file 1 and makes its checksum right again.
void forge(SimulatedFileSystem& files, std::size_t header, std::size_t field, std::size_t crc,
           std::uint64_t value) {
  Bytes content = read_file(files, path_of(1));
  platform::store_u64(&content[header + field], value);
  platform::store_u32(&content[header + crc],
                      platform::crc32c(std::span(content).subspan(header, crc)));
  write_file(files, path_of(1), content);
}

TEST(LogFile, NamesAreSixteenHexadecimalDigits) {
  EXPECT_EQ(wal::log_file_path("a/wal", 0x1F), "a/wal/000000000000001f.log");
}

TEST(LogFile, ListIsSortedAndIgnoresOtherNames) {
  SimulatedFileSystem files;
  files.make_directory(kLogDirectory).value();
  for (const char* name :
       {"000000000000000b.log", "0000000000000002.log", "0000000000000001.tmp", "1.log",
        "000000000000000G.log", "000000000000000B.log", "00000000000000001.log", "lost+found"}) {
    write_file(files, std::string(kLogDirectory) + "/" + name, Payload(1));
  }
  EXPECT_EQ(wal::list_log_files(files, kLogDirectory).value(),
            (std::vector<std::uint64_t>{0x2, 0xB}));
}

TEST(LogFile, HeaderOfAnotherFileIsNone) {
  SimulatedFileSystem files;
  create_writer(files);
  ASSERT_TRUE(files.rename(path_of(1), path_of(2)));
  auto reader = LogFileReader::open(files, kLogDirectory, 2).value();
  EXPECT_FALSE(reader.read_header().value());
}

TEST(LogFile, NewerFormatIsRefusedByItsName) {
  SimulatedFileSystem files;
  create_writer(files);
  forge(files, 0, offsetof(wal::FileHeader, format_version), offsetof(wal::FileHeader, header_crc),
        wal::kLogFormatVersion + 1);
  auto reader = LogFileReader::open(files, kLogDirectory, 1).value();
  EXPECT_EQ(reader.read_header().error().code(), ErrorCode::newer_format);
}

TEST(LogFile, AbsurdLengthWithAValidChecksumIsRefused) {
  for (const std::uint64_t length :
       {kTestFileBytes, std::uint64_t{1} << 40, UINT64_MAX - 95, UINT64_MAX}) {
    SimulatedFileSystem files;
    auto writer = create_writer(files);
    ASSERT_TRUE(append(*writer, make_payload(1, 100)));
    forge(files, wal::kFirstGroupOffset, offsetof(wal::GroupHeader, payload_bytes),
          offsetof(wal::GroupHeader, header_crc), length);
    auto reader = LogFileReader::open(files, kLogDirectory, 1).value();
    EXPECT_TRUE(reader.read_group_header(wal::kFirstGroupOffset).value());
    EXPECT_FALSE(reader.read_group(wal::kFirstGroupOffset).value());
    EXPECT_EQ(replay(files).end.value().next_lsn, 1u);
  }
}

TEST(LogFile, GroupAtAnotherOffsetIsNone) {
  SimulatedFileSystem files;
  auto writer = create_writer(files);
  ASSERT_TRUE(append(*writer, make_payload(1, 100)));
  Bytes content = read_file(files, path_of(1));
  const auto group = content.begin() + wal::kFirstGroupOffset;
  std::copy_n(group, wal::kBlockBytes, group + wal::kBlockBytes);
  write_file(files, path_of(1), content);
  auto reader = LogFileReader::open(files, kLogDirectory, 1).value();
  EXPECT_TRUE(reader.read_group(wal::kFirstGroupOffset).value());
  EXPECT_FALSE(reader.read_group(wal::kFirstGroupOffset + wal::kBlockBytes).value());
  EXPECT_FALSE(reader.read_group(UINT64_MAX - 4095).value());
}

}  // namespace
}  // namespace xtree::test
