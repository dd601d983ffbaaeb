#include "wal/fresh_file.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "platform/check.h"
#include "platform/plant.h"
#include "platform/without_throwing.h"
#include "wal/format.h"
#include "wal/log_file.h"

namespace xtree::wal {
namespace {

// Zeros go to the disk piece by piece: commits sync the file before meanwhile, and each of these
// syncs waits for whatever the disk has been given.
constexpr std::uint64_t kPieceBytes = std::uint64_t{128} << 10;

}  // namespace

Result<FreshFile> make_fresh_file(FileSystem& file_system, const std::string& directory,
                                  std::uint64_t number, const UsedFile& spare,
                                  std::uint64_t most_bytes) {
  const std::string path = log_file_path(directory, number);
  const bool is_used = spare.number != 0;
  if (is_used) XTREE_TRY(file_system.rename(log_file_path(directory, spare.number), path));
  auto opened = file_system.open(path, is_used ? OpenMode::read_write : OpenMode::create);
  if (!opened) return opened.error();
  FreshFile fresh{.file = *std::move(opened)};
  const auto bytes = fresh.file->size();
  if (!bytes) return bytes.error();
  fresh.bytes = *bytes;
  if (fresh.bytes > most_bytes) {
    XTREE_TRY(fresh.file->truncate(most_bytes));
    fresh.bytes = most_bytes;
  }
  fresh.written_bytes = std::min(spare.written_bytes, fresh.bytes);
  return fresh;
}

Result<void> write_zeros(File& file, std::uint64_t& written_bytes, std::uint64_t goal) {
  const std::vector<std::byte> zeros(goal - written_bytes);
  XTREE_TRY(file.write_at(written_bytes, zeros));
  written_bytes = goal;
  return {};
}

NextFile::~NextFile() {
  if (!thread_.joinable()) return;
  await();
  state_.store(State::ending, std::memory_order_release);
  state_.notify_all();
  thread_.join();
}

void NextFile::prepare(std::uint64_t number, const UsedFile& spare, std::uint64_t bytes,
                       std::uint64_t written_bytes) noexcept {
  number_ = number;
  spare_ = spare;
  bytes_ = bytes;
  written_bytes_ = written_bytes;
  is_awaited_.store(false, std::memory_order_relaxed);
  state_.store(State::asked, std::memory_order_release);
  if (start()) {
    state_.notify_all();
  } else {
    run();
  }
}

// Without a thread, because there is none to be had or none is wanted, the caller does the work.
bool NextFile::start() noexcept {
  if (worker_ == Worker::caller) return false;
  return thread_.joinable() ||
         platform::try_to([this] { thread_ = std::thread([this] { work(); }); });
}

std::optional<FreshFile> NextFile::take() noexcept {
  await();
  number_ = 0;
  state_.store(State::idle, std::memory_order_relaxed);  // the thread has nothing to see there
  return std::exchange(made_, std::nullopt);
}

void NextFile::await() noexcept {
  is_awaited_.store(true, std::memory_order_relaxed);
  state_.wait(State::asked, std::memory_order_acquire);
}

void NextFile::work() noexcept {
  for (;;) {
    const State state = state_.load(std::memory_order_acquire);
    if (state == State::ending) return;
    if (state == State::asked) {
      run();
    } else {
      state_.wait(state, std::memory_order_acquire);
    }
  }
}

void NextFile::run() noexcept {
  auto made = platform::without_throwing("log", [this] { return make(); });
  if (made) {
    made_ = std::move(made).value();
  } else {
    // It may be a disk that is full: whoever needs the file tries with all the room there is.
    remove(number_);
    if (spare_.number != 0) remove(spare_.number);
  }
  state_.store(State::ready, std::memory_order_release);
  state_.notify_all();
}

// Where that fails, too, the next life of the log removes the file.
void NextFile::remove(std::uint64_t number) noexcept {
  static_cast<void>(platform::without_throwing(
      "log", [&] { return file_system_.remove(log_file_path(directory_, number)); }));
}

Result<FreshFile> NextFile::make() {
  auto fresh = make_fresh_file(file_system_, directory_, number_, spare_, most_bytes_);
  if (!fresh) return fresh.error();
  std::uint64_t& written = fresh->written_bytes;
  while (written < written_bytes_) {
    const std::uint64_t begin = written;
    XTREE_TRY(write_zeros(*fresh->file, written, std::min(written_bytes_, begin + kPieceBytes)));
    fresh->bytes = std::max(fresh->bytes, written);
    if (worker_ == Worker::caller) continue;
    XTREE_TRY(fresh->file->write_back(begin, written - begin));
    if (is_awaited_.load(std::memory_order_relaxed)) break;
  }
  if (fresh->bytes < bytes_) {
    XTREE_TRY(fresh->file->truncate(bytes_));
    fresh->bytes = bytes_;
  }
  if (!platform::planted(platform::Plant::log_header_early)) XTREE_TRY(fresh->file->sync());
  if (platform::planted(platform::Plant::log_directory_not_synced)) return fresh;
  XTREE_TRY(file_system_.sync_directory(directory_));
  return fresh;
}

}  // namespace xtree::wal
