// A log that is right but for what the input writes over it, checksums made right if the input
// asks for it: a replay gives groups whose operations follow each other, then an end or an error.
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "platform/crc32c.h"
#include "support/crashing_disk.h"
#include "wal/format.h"
#include "wal/reader.h"
#include "wal/writer.h"

namespace {

using namespace xtree::wal;
using xtree::test::DirectoryImage;

constexpr std::uint64_t kFileBytes = 4 * kBlockBytes;

DirectoryImage some_log() {
  xtree::testing::SimulatedFileSystem files;
  files.make_directory("db").value();
  auto log = LogWriter::create(files, "db/wal", {}, kFileBytes).value();
  const std::vector<std::byte> payload(300, std::byte{1});
  for (std::uint64_t i = 0; i < 5; ++i) {
    GroupInfo info{};
    info.first_lsn = log->next_lsn();
    info.epoch = i + 1;
    info.operations = 2;
    log->append(info, payload).value();
    if (i != 3) log->sync().value();
  }
  log.reset();
  return xtree::test::directory_of(files.image(), "db");
}

// Gives the header at this block, of a file or of a group, the checksums that it should have.
void mend(std::vector<std::byte>& file, std::size_t block) {
  const auto bytes = std::span(file).subspan(block * kBlockBytes);
  if (block == 0) {
    FileHeader header;
    std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
    return encode(header, bytes);
  }
  GroupHeader header;
  std::memcpy(static_cast<void*>(&header), bytes.data(), sizeof header);
  if (header.payload_bytes <= bytes.size() - sizeof header) {
    header.payload_crc =
        xtree::platform::crc32c(bytes.subspan(sizeof header, header.payload_bytes));
  }
  encode(header, bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using xtree::test::require;
  static const DirectoryImage kLog = some_log();
  DirectoryImage image = kLog;
  std::vector<std::vector<std::byte>*> contents;
  for (auto& [name, content] : image) {
    if (name.back() != '/') contents.push_back(&content);
  }
  xtree::test::FuzzInput input(data, size);
  while (!input.empty()) {
    std::vector<std::byte>& file = *contents[input.take<std::uint8_t>() % contents.size()];
    const std::size_t blocks = file.size() / kBlockBytes;
    if (blocks == 0) break;
    const auto action = input.take<std::uint8_t>();
    const std::size_t block = (action >> 2) % blocks;
    if (action % 4 == 0) {
      mend(file, block);
    } else if (action % 4 == 1) {
      file.resize(input.take<std::uint16_t>() % (file.size() + 1));
    } else {
      file[block * kBlockBytes + input.take<std::uint16_t>() % 128] = input.take<std::byte>();
    }
  }
  xtree::testing::SimulatedFileSystem files(xtree::test::disk_of("db", image));
  std::optional<std::uint64_t> next;
  const auto end = replay_log(
      files, "db/wal", {}, 0, 1,
      [&](const GroupInfo& group, std::span<const std::byte> payload) -> xtree::Result<void> {
        require(!next || *next == group.first_lsn);
        require(group.operations != 0);
        require(payload.size() < kFileBytes);
        next = group.first_lsn + group.operations;
        return {};
      });
  if (end) {
    require(!next || end->next_lsn == *next);
  } else {
    require(end.error().code() == xtree::ErrorCode::corruption ||
            end.error().code() == xtree::ErrorCode::newer_format);
  }
  return 0;
}
