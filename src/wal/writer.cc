#include "wal/writer.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "platform/check.h"
#include "platform/crc32c.h"
#include "platform/plant.h"
#include "platform/without_throwing.h"

namespace xtree::wal {
namespace {

// Where no file was made ready, a file grows by zeros in steps of this size, so that a small log
// stays small and no commit waits for a whole file to be written.
constexpr std::uint64_t kZeroStepBytes = std::uint64_t{1} << 20;
// Before a group that takes additions it grows in such steps: the system makes so many pages of its
// cache at once in 1.3 us each, and one by one in 2.3.
constexpr std::uint64_t kCachedStepBytes = std::uint64_t{32} << 10;
// A group of this size is worth the file system's search for blocks, and not to be written twice.
constexpr std::uint64_t kLargeGroupBytes = std::uint64_t{32} << 10;
// Released files that are kept, few as they may be that the log has needed.
constexpr std::size_t kFewSpares = 2;
// Above this, the buffer of an unusually large group is given back.
constexpr std::size_t kKeptBufferBytes = std::size_t{4} << 20;

GroupHeader header_of(const GroupInfo& info, std::span<const std::byte> payload) {
  return {.operations = info.operations,
          .first_lsn = info.first_lsn,
          .epoch = info.epoch,
          .time_us = info.time_us,
          .payload_bytes = payload.size(),
          .payload_crc = platform::crc32c(payload),
          .origin = GroupOrigin::appended};
}

}  // namespace

Result<std::unique_ptr<LogWriter>> LogWriter::create(FileSystem& file_system,
                                                     std::string directory, const LogEnd& after,
                                                     std::uint64_t file_bytes,
                                                     NextFile::Worker worker) {
  if (file_bytes < 2 * kBlockBytes || file_bytes > std::uint64_t{1} << 40) {
    return Error(ErrorCode::invalid_argument, "file_bytes", "not a size for a log file");
  }
  auto writer = std::make_unique<LogWriter>(Key{}, file_system, std::move(directory),
                                            whole_blocks(file_bytes), worker);
  XTREE_TRY(writer->make_directory());
  XTREE_TRY(writer->begin(after));
  return writer;
}

Result<void> LogWriter::make_directory() {
  const auto exists = file_system_.exists(directory_);
  if (!exists) return exists.error();
  if (*exists) return {};
  XTREE_TRY(file_system_.make_directory(directory_));
  // Without this the log could vanish in a power loss together with its directory.
  const std::size_t slash = directory_.find_last_of('/');
  if (slash == std::string::npos) return file_system_.sync_directory(".");
  return file_system_.sync_directory(slash == 0 ? "/" : directory_.substr(0, slash));
}

Result<void> LogWriter::begin(const LogEnd& after) {
  auto files = list_log_files(file_system_, directory_);
  if (!files) return files.error();
  if (!files->empty() && files->back() > after.highest_file) {
    const std::string path = log_file_path(directory_, files->back());
    return Error(ErrorCode::already_exists, path.c_str(), "the log goes on in this file");
  }
  for (const std::uint64_t number : *files) older_.push_back({number, 0});
  highest_ = after.highest_file;
  first_own_ = highest_ + 1;
  generation_ = after.generation + 1;
  const bool keeps_tail = platform::planted(platform::Plant::torn_tail_kept);
  next_lsn_ = after.proven_lsn;
  durable_lsn_ = after.proven_lsn;
  XTREE_TRY(make_file());
  XTREE_TRY(carry_over(after));
  XTREE_TRY(commit_header({.first_lsn = after.proven_lsn,
                           .predecessor_file = after.proven.file,
                           .predecessor_offset =
                               after.proven.offset + (keeps_tail ? kBlockBytes : 0),
                           .predecessor_generation = after.proven_generation,
                           .carried_end = offset_}));
  durable_lsn_ = begun_lsn_ = next_lsn_;
  appended_bytes_ = 0;
  return {};
}

// Nothing says that the last groups of the old file are on disk. To sync that file would not do:
// if an earlier sync of it had failed, the system takes its pages for clean, and would report
// success without writing them. So they are written again, to other blocks.
Result<void> LogWriter::carry_over(const LogEnd& after) {
  if (after.unproven_offset == after.end.offset) return {};
  if (platform::planted(platform::Plant::carry_forgotten)) return {};
  auto from = LogFileReader::open(file_system_, directory_, after.end.file);
  if (!from) return from.error();
  for (std::uint64_t offset = after.unproven_offset; offset < after.end.offset;) {
    const auto group = from->read_group(offset);
    if (!group) return group.error();
    if (!*group || (*group)->header.first_lsn != next_lsn_) {
      return from->corruption(offset, "the log changed after it was replayed");
    }
    offset += group_bytes((*group)->header.payload_bytes);
    XTREE_TRY(carry(**group));
  }
  if (next_lsn_ == after.next_lsn) return {};
  return from->corruption(after.end.offset, "the log changed after it was replayed");
}

// A group and its additions become one group: one checksum then says that all of it is there.
Result<void> LogWriter::carry(const StoredGroup& group) {
  GroupHeader header = group.header;
  std::vector<std::byte> payload(group.payload.begin(), group.payload.end());
  AdditionReader additions(group);
  while (additions.next()) {
    payload.insert(payload.end(), additions.payload().begin(), additions.payload().end());
    header.operations += additions.info().operations;
    header.epoch = additions.info().epoch;
    header.time_us = additions.info().time_us;
  }
  header.payload_bytes = payload.size();
  header.payload_crc = platform::crc32c(payload);
  header.origin = GroupOrigin::carried;
  return write_group(header, payload);
}

Result<void> LogWriter::append(const GroupInfo& info, std::span<const std::byte> payload) {
  return append(info, payload, wanted_for(payload.size()));
}

Result<void> LogWriter::append(const GroupInfo& info, std::span<const std::byte> payload,
                               Blocks blocks) {
  if (failure_) return poisoned();
  XTREE_TRY(make_room_for(info, group_bytes(payload.size()), blocks));
  return append_here(info, payload, blocks);
}

Result<void> LogWriter::append_here(const GroupInfo& info, std::span<const std::byte> payload,
                                    Blocks blocks) {
  const std::uint64_t bytes = group_bytes(payload.size());
  XTREE_TRY(await_groups());
  if (bytes < kLargeGroupBytes) {
    const std::uint64_t step = blocks == Blocks::written ? kZeroStepBytes : kCachedStepBytes;
    XTREE_TRY(remember(extend_to(offset_ + bytes, step)));
  }
  XTREE_TRY(remember(write_group(header_of(info, payload), payload)));
  prepare_next_file(bytes, blocks);
  return {};
}

// Past the system's cache goes what lies in blocks that were written before and has nothing before
// it that only a sync of the file makes durable.
Result<SyncBeside*> LogWriter::append_for_sync(const GroupInfo& info,
                                               std::span<const std::byte> payload) {
  if (failure_) return poisoned();
  XTREE_TRY(note_syncs());
  const std::uint64_t bytes = group_bytes(payload.size());
  const Blocks blocks = wanted_for(payload.size());
  XTREE_TRY(make_room_for(info, bytes, blocks));
  const bool passes = !has_unsynced() || platform::planted(platform::Plant::unsynced_passed_over);
  if (!passes || offset_ + bytes > written_bytes_ || !file_->takes_durable_writes()) {
    XTREE_TRY(append_here(info, payload, blocks));
    XTREE_TRY(end_syncs());
    return &note_begun(syncs_.begin_file(*file_, next_lsn_));
  }
  while (!syncs_.has_room_for_group()) XTREE_TRY(remember(settle_sync()));
  GroupHeader header = header_of(info, payload);
  std::span<std::byte> group;
  SyncBeside& sync =
      syncs_.begin_group(*file_, next_lsn_ + info.operations, offset_, bytes, group);
  put_together(header, payload, group);
  last_ = {};
  go_on_behind(header, bytes);
  prepare_next_file(bytes, blocks);
  return &note_begun(sync);
}

// Blocks that are there already are for those who wait for a sync of little.
LogWriter::Blocks LogWriter::wanted_for(std::size_t payload_bytes) noexcept {
  return group_bytes(payload_bytes) < kLargeGroupBytes ? Blocks::written : Blocks::any;
}

Result<void> LogWriter::make_room_for(const GroupInfo& info, std::uint64_t bytes, Blocks blocks) {
  XTREE_CHECK(info.operations > 0 && info.first_lsn == next_lsn_);
  return is_full_for(bytes, blocks) ? remember(next_file()) : Result<void>();
}

// A group that wants written blocks also leaves a file that it would have to lengthen when the next
// one has as many of them.
bool LogWriter::is_full_for(std::uint64_t bytes, Blocks blocks) const noexcept {
  const std::uint64_t end = offset_ + bytes;
  if (offset_ == kFirstGroupOffset || end <= written_bytes_) return false;
  return end > file_bytes_ || (blocks == Blocks::written && next_.ready_bytes() >= written_bytes_);
}

// Once half of a file is filled by groups that want written blocks, they are taken to need another
// one. The files of a log become longer from one to the next, as it has shown to grow. For other
// groups one with nothing but a size is made ready: if it is cut some day, its header tells.
void LogWriter::prepare_next_file(std::uint64_t bytes, Blocks blocks) noexcept {
  if (blocks == Blocks::written) small_bytes_ += bytes;
  const bool is_needed = blocks == Blocks::written ? 2 * small_bytes_ >= written_bytes_
                                                   : 2 * offset_ >= file_bytes_;
  if (!is_needed || next_.number() != 0) return;
  UsedFile spare;
  if (!spares_.empty()) {
    spare = spares_.back();
    spares_.pop_back();
  }
  if (blocks == Blocks::any) {
    next_.prepare(++highest_, spare, file_bytes_, kFirstGroupOffset);
    return;
  }
  const std::uint64_t longer =
      worker_ == NextFile::Worker::thread ? 2 * written_bytes_ : kZeroStepBytes;
  const std::uint64_t wanted = std::min(file_bytes_, longer);
  next_.prepare(++highest_, spare, wanted, wanted);
}

Result<void> LogWriter::add(const GroupInfo& info, std::span<const std::byte> payload) {
  if (failure_) return poisoned();
  XTREE_TRY(await_groups());
  if (!takes(info, payload.size())) return append(info, payload, Blocks::any);
  XTREE_CHECK(info.operations > 0 && info.first_lsn == next_lsn_);
  return remember(write_addition(info, payload));
}

// Whether the last group's block has room for one more addition, and its header bits enough for
// what they say of it.
bool LogWriter::takes(const GroupInfo& info, std::size_t payload_bytes) const noexcept {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return last_.end != 0 && sizeof(AdditionHeader) + payload_bytes <= offset_ - last_.end &&
         info.operations <= std::numeric_limits<std::uint16_t>::max() &&
         info.epoch - last_.epoch <= kMost && info.time_us - last_.time_us <= kMost;
}

Result<void> LogWriter::write_addition(const GroupInfo& info, std::span<const std::byte> payload) {
  const AdditionHeader header{.operations = static_cast<std::uint16_t>(info.operations),
                              .epochs = static_cast<std::uint32_t>(info.epoch - last_.epoch),
                              .time_us = static_cast<std::uint32_t>(info.time_us - last_.time_us)};
  const std::size_t bytes = sizeof header + payload.size();
  buffer_.resize(bytes);
  last_.sum = encode(header, payload, last_.sum, buffer_);
  XTREE_TRY(file_->store_at(last_.end, buffer_));
  last_.end = std::min(addition_place(last_.end + bytes), offset_);
  next_lsn_ += info.operations;
  return {};
}

Result<void> LogWriter::sync() {
  if (failure_) return poisoned();
  return remember(sync_groups());
}

Result<LogPosition> LogWriter::roll() {
  if (failure_) return poisoned();
  if (offset_ > kFirstGroupOffset) XTREE_TRY(remember(next_file()));
  return position();
}

Result<void> LogWriter::release_before(std::uint64_t file) {
  if (failure_) return poisoned();
  XTREE_TRY(note_syncs());
  // The writer's own file is not among the older ones, so it stays whatever the caller says.
  const auto end = std::ranges::lower_bound(older_, file, {}, &UsedFile::number);
  // Of a file of a former life a sync may have failed: then it reads as if it were whole, and
  // neither its zeros nor its size are on the disk, nor will a sync bring them there.
  const auto own =
      std::ranges::lower_bound(older_.begin(), end, first_own_, {}, &UsedFile::number);
  for (auto it = older_.begin(); it != own; ++it) unneeded_.push_back(it->number);
  spares_.insert(spares_.end(), own, end);
  const auto released = static_cast<std::size_t>(end - older_.begin());
  older_.erase(older_.begin(), end);
  // The log will need as many until the next call as it did until this one.
  const std::size_t most = keeps_spares_ ? std::max(kFewSpares, released) : 0;
  while (spares_.size() > most) {
    unneeded_.push_back(spares_.back().number);
    spares_.pop_back();
  }
  return {};
}

void LogWriter::keep_no_spares() {
  keeps_spares_ = false;
  for (; !spares_.empty(); spares_.pop_back()) unneeded_.push_back(spares_.back().number);
  if (next_.number() != 0) unneeded_.push_back(next_.number());
  static_cast<void>(next_.take());
}

Result<void> LogWriter::remove_unneeded(
    const std::function<Result<void>(const std::string&)>& remove) {
  for (; !unneeded_.empty(); unneeded_.pop_back()) {
    const Result<void> removed = remove(log_file_path(directory_, unneeded_.back()));
    if (!removed && removed.error().code() != ErrorCode::not_found) return removed;
  }
  return {};
}

// A system that fails to write something may tell only one of two syncs that run at a time: nothing
// is promised before those that run beside are known to have succeeded.
Result<void> LogWriter::sync_groups() {
  XTREE_TRY(settle_syncs());
  if (durable_lsn_ == next_lsn_) return {};
  sync_bytes_ = appended_bytes_;
  XTREE_TRY(file_->sync());
  durable_lsn_ = begun_lsn_ = next_lsn_;
  close_block();
  return {};
}

SyncBeside* LogWriter::begin_sync() {
  if (failure_ || !note_syncs() || !syncs_.empty() || !has_unsynced()) return nullptr;
  return &note_begun(syncs_.begin_file(*file_, next_lsn_));
}

SyncBeside& LogWriter::note_begun(SyncBeside& sync) noexcept {
  close_block();
  sync_bytes_ = appended_bytes_;
  begun_lsn_ = next_lsn_;
  return sync;
}

Result<void> LogWriter::end_syncs() {
  if (failure_) return poisoned();
  return remember(settle_syncs());
}

Result<void> LogWriter::settle_sync() {
  std::uint64_t lsn = 0;
  XTREE_TRY(syncs_.end(lsn));
  durable_lsn_ = std::max(durable_lsn_, lsn);
  return {};
}

// Waits for all, also behind one that failed: they use the file.
Result<void> LogWriter::settle_syncs() {
  Result<void> result;
  while (result && !syncs_.empty()) result = settle_sync();
  for (std::uint64_t lsn = 0; !syncs_.empty();) static_cast<void>(syncs_.end(lsn));
  return result;
}

// Before something is written through the cache. A page of that, or a larger unit that the system
// makes of pages, may hold blocks beside the one that is written: were such a block on its way past
// the cache, what the page has of it would be old, and go to the disk over it.
Result<void> LogWriter::await_groups() {
  XTREE_TRY(note_syncs());
  return syncs_.has_groups() ? remember(settle_syncs()) : Result<void>();
}

// Learns how those went that are over and that nobody has asked about.
Result<void> LogWriter::note_syncs() {
  while (!syncs_.empty() && syncs_.is_over()) XTREE_TRY(remember(settle_sync()));
  return {};
}

// What is synced is not written again, not even in part.
void LogWriter::close_block() noexcept {
  if (!platform::planted(platform::Plant::synced_block_filled)) last_ = {};
}

Result<void> LogWriter::next_file() {
  // The next file's header vouches for all of this one.
  XTREE_TRY(settle_syncs());
  if (!platform::planted(platform::Plant::roll_without_sync)) XTREE_TRY(sync_groups());
  const LogPosition predecessor = position();
  older_.push_back({number_, written_bytes_});
  const std::uint64_t prepared = next_.number();
  std::optional<FreshFile> fresh;
  if (prepared != 0) fresh = next_.take();
  if (fresh) {
    adopt(prepared, *std::move(fresh));
  } else {
    XTREE_TRY(make_file());
  }
  const FileHeader header{.first_lsn = next_lsn_,
                          .predecessor_file = predecessor.file,
                          .predecessor_offset = predecessor.offset,
                          .predecessor_generation = generation_,
                          .carried_end = offset_};
  return fresh ? write_header(header) : commit_header(header);
}

// Makes a file of a released one or a new one, while the caller waits.
Result<void> LogWriter::make_file() {
  const std::uint64_t number = ++highest_;
  const UsedFile spare = spares_.empty() ? UsedFile() : spares_.back();
  auto fresh = make_fresh_file(file_system_, directory_, number, spare, file_bytes_);
  if (!fresh) return fresh.error();
  if (!spares_.empty()) spares_.pop_back();
  adopt(number, *std::move(fresh));
  return extend_to(kFirstGroupOffset, kZeroStepBytes);
}

void LogWriter::adopt(std::uint64_t number, FreshFile fresh) noexcept {
  file_ = std::move(fresh.file);
  begun_bytes_ = fresh.bytes;
  written_bytes_ = fresh.written_bytes;
  small_bytes_ = 0;
  number_ = number;
  offset_ = kFirstGroupOffset;
  last_ = {};
}

// The header makes the file a part of the log, so all that it speaks of is synced before it, and
// it is synced together with the file's name before a commit can rely on it.
Result<void> LogWriter::commit_header(const FileHeader& header) {
  if (!platform::planted(platform::Plant::log_header_early)) XTREE_TRY(file_->sync());
  XTREE_TRY(write_header(header));
  if (platform::planted(platform::Plant::log_directory_not_synced)) return {};
  return file_system_.sync_directory(directory_);
}

Result<void> LogWriter::write_header(FileHeader header) {
  header.file = number_;
  header.generation = generation_;
  header.file_bytes = std::max(begun_bytes_, written_bytes_);
  buffer_.assign(kBlockBytes, std::byte{0});
  encode(header, buffer_);
  XTREE_TRY(file_->write_at(0, buffer_));
  XTREE_TRY(file_->sync());
  last_ = {};
  return {};
}

// Returns the sum that an addition continues.
std::uint32_t LogWriter::put_together(GroupHeader& header, std::span<const std::byte> payload,
                                      std::span<std::byte> group) const noexcept {
  header.file = number_;
  header.offset = offset_;
  header.generation = generation_;
  header.durable_lsn = durable_lsn_;
  const std::uint32_t sum = encode(header, group);
  const std::size_t used = sizeof header + payload.size();
  if (!payload.empty()) std::memcpy(group.data() + sizeof header, payload.data(), payload.size());
  std::memset(group.data() + used, 0, group.size() - used);
  return sum;
}

void LogWriter::go_on_behind(const GroupHeader& header, std::uint64_t bytes) noexcept {
  offset_ += bytes;
  written_bytes_ = std::max(written_bytes_, offset_);
  next_lsn_ += header.operations;
  appended_bytes_ += bytes;
}

Result<void> LogWriter::write_group(GroupHeader header, std::span<const std::byte> payload) {
  const std::uint64_t bytes = group_bytes(payload.size());
  buffer_.resize(bytes);
  const std::uint32_t sum = put_together(header, payload, buffer_);

  if (platform::planted(platform::Plant::block_rewritten)) {
    std::vector<std::byte> block(kBlockBytes);
    const auto got = file_->read_at(offset_ - kBlockBytes, block);
    if (!got) return got.error();
    XTREE_TRY(file_->write_at(offset_ - kBlockBytes, block));
  }
  XTREE_TRY(file_->write_at(offset_, buffer_));
  last_ = {.end = offset_ + addition_place(sizeof header + payload.size()),
           .epoch = header.epoch,
           .time_us = header.time_us,
           .sum = sum};
  go_on_behind(header, bytes);
  if (buffer_.size() > kKeptBufferBytes) buffer_ = {};
  return {};
}

// A block that was written before is made durable at half the price of a new one.
Result<void> LogWriter::extend_to(std::uint64_t end, std::uint64_t step_bytes) {
  if (end <= written_bytes_) return {};
  const std::uint64_t step = std::min(file_bytes_, written_bytes_ + step_bytes);
  return write_zeros(*file_, written_bytes_, std::max(end, step));
}

Result<void> LogWriter::remember(Result<void> result) {
  if (!result && !platform::planted(platform::Plant::failed_sync_forgotten)) {
    failure_ = result.error();
  }
  return result;
}

Error LogWriter::poisoned() const {
  const std::string text =
      std::string("an earlier failure stopped the log: ") + failure_->message();
  return {ErrorCode::poisoned, failure_->place(), text.c_str()};
}

}  // namespace xtree::wal
