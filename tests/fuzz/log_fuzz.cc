// A log that is right but for what the input writes over it, checksums made right if the input
// asks for it: a replay gives groups whose operations follow each other, then an end or an error.
// A survey, which is how a repair reads the log, is no error either; when it finds no fault, and
// no checksum was forged, it has visited the same.
#include <optional>
#include <string>
#include <vector>

#include "fuzz/input.h"
#include "fuzz/mend.h"
#include "support/crashing_disk.h"
#include "wal/format.h"
#include "wal/reader.h"
#include "wal/survey.h"
#include "wal/writer.h"

namespace {

using namespace xtree::wal;
using xtree::ErrorCode;
using xtree::test::DirectoryImage;
using xtree::test::require;

constexpr std::uint64_t kFileBytes = 5 * kBlockBytes;
constexpr const char* kDirectory = "db/wal";

// Several files, synced and unsynced groups, and additions to both.
DirectoryImage some_log() {
  xtree::testing::SimulatedFileSystem files;
  files.make_directory("db").value();
  auto log = LogWriter::create(files, kDirectory, {}, kFileBytes).value();
  const std::vector<std::byte> payload(300, std::byte{1});
  for (std::uint64_t i = 0; i < 14; ++i) {
    GroupInfo info{};
    info.first_lsn = log->next_lsn();
    info.epoch = i + 1;
    info.operations = 2;
    const bool is_addition = i % 4 >= 2;
    (is_addition ? log->add(info, payload) : log->append(info, payload)).value();
    if (!is_addition && i % 3 != 0) log->sync().value();
  }
  log.reset();
  return xtree::test::directory_of(files.image(), "db");
}

// Groups as a visitor is told of them.
class Visited {
 public:
  GroupVisitor visitor() {
    return [this](const GroupInfo& group, std::span<const std::byte> payload) {
      require(!next_ || *next_ == group.first_lsn);
      require(group.operations != 0);
      require(payload.size() < kFileBytes);
      next_ = group.first_lsn + group.operations;
      operations_ += group.operations;
      return xtree::Result<void>();
    };
  }
  [[nodiscard]] const std::optional<std::uint64_t>& next() const { return next_; }
  [[nodiscard]] std::uint64_t operations() const { return operations_; }

 private:
  std::optional<std::uint64_t> next_;
  std::uint64_t operations_ = 0;
};

// Whether it has made a checksum right that is of something else.
bool change(DirectoryImage& image, xtree::test::FuzzInput& input) {
  bool is_forged = false;
  std::vector<std::vector<std::byte>*> contents;
  for (auto& [name, content] : image) {
    if (name.back() != '/') contents.push_back(&content);
  }
  while (!input.empty()) {
    std::vector<std::byte>& file = *contents[input.take<std::uint8_t>() % contents.size()];
    const std::size_t blocks = file.size() / kBlockBytes;
    if (blocks == 0) break;
    const auto action = input.take<std::uint8_t>();
    const std::size_t block = (action >> 2) % blocks;
    if (action % 4 == 0) {
      xtree::test::mend_log_block(file, block);
      is_forged = true;
    } else if (action % 4 == 1) {
      file.resize(input.take<std::uint16_t>() % (file.size() + 1));
    } else {
      // The header of a group, or those of what was added to it.
      const std::size_t room = action % 4 == 2 ? 128 : kBlockBytes;
      file[block * kBlockBytes + input.take<std::uint16_t>() % room] = input.take<std::byte>();
    }
  }
  return is_forged;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const DirectoryImage kLog = some_log();
  DirectoryImage image = kLog;
  xtree::test::FuzzInput input(data, size);
  const bool is_forged = change(image, input);
  xtree::testing::SimulatedFileSystem files(xtree::test::disk_of("db", image));

  Visited replayed;
  const auto end = replay_log(files, kDirectory, {}, 0, 1, replayed.visitor());
  if (end) {
    require(!replayed.next() || end->next_lsn == *replayed.next());
  } else {
    require(end.error().code() == ErrorCode::corruption ||
            end.error().code() == ErrorCode::newer_format);
  }

  Visited surveyed;
  const auto survey = survey_log(files, kDirectory, {}, 0, 1, surveyed.visitor());
  if (survey) {
    require(survey->operations == surveyed.operations());
    const bool finds_nothing = end && survey->faults.empty() && !is_forged;
    require(!finds_nothing || surveyed.operations() == replayed.operations());
  } else {
    require(survey.error().code() == ErrorCode::newer_format);
  }
  const auto start = find_log_start(files, kDirectory, 1 + size % 32);
  require(start || start.error().code() == ErrorCode::newer_format);
  return 0;
}
