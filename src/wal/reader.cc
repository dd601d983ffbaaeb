#include "wal/reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "platform/check.h"
#include "platform/plant.h"
#include "wal/log_file.h"

namespace xtree::wal {
namespace {

// How far to go from a valid header to what may be the next group. A length that is longer than
// the file does not count, so the sum of offset and step stays bounded.
std::uint64_t step_over(const std::optional<GroupHeader>& header, std::uint64_t file_bytes) {
  if (!header || header->payload_bytes > file_bytes) return kBlockBytes;
  return group_bytes(header->payload_bytes);
}

class Replay {
 public:
  Replay(FileSystem& file_system, std::string_view directory, const GroupVisitor& visitor)
      : file_system_(file_system), directory_(directory), visitor_(visitor) {}

  Result<LogEnd> run(LogPosition from, std::uint64_t generation, std::uint64_t first_lsn);

 private:
  // A file of the log whose header is valid.
  struct OpenFile {
    LogFileReader reader;
    FileHeader header;
  };

  // Lists the files from the one after `from` to the newest, in `chain_`.
  Result<void> find_chain(std::uint64_t from);
  Result<void> check_creation_was_cut(LogFileReader& reader) const;
  // A file that must be there.
  Result<OpenFile> open_file(std::uint64_t number) const;

  Result<void> begin_in(const OpenFile& file, LogPosition from);
  Result<void> go_on_in(const OpenFile& file);
  // Replays a stretch that is known to have been synced.
  Result<void> replay_to(OpenFile& file, std::uint64_t limit);
  // Replays the last file to the end of the log.
  Result<void> replay_tail(OpenFile& file);
  // The valid group where the log stands, if there is one.
  Result<std::optional<StoredGroup>> read_next(OpenFile& file) const;
  Result<void> visit(const StoredGroup& group);
  // Fails when something behind the end of the log proves that there had been more.
  Result<void> check_end(LogFileReader& reader) const;
  void prove_all() noexcept;

  FileSystem& file_system_;
  std::string directory_;
  const GroupVisitor& visitor_;
  std::vector<std::uint64_t> chain_;
  std::uint64_t group_lsn_ = 0;  // of the last group that was visited in this file; 0 before one
  LogEnd end_;
};

Result<LogEnd> Replay::run(LogPosition from, std::uint64_t generation, std::uint64_t first_lsn) {
  end_ = {.end = from, .next_lsn = first_lsn, .generation = generation};
  prove_all();
  XTREE_TRY(find_chain(from.file));
  std::optional<OpenFile> current;
  if (from.file != 0) {
    auto first = open_file(from.file);
    if (!first) return first.error();
    current.emplace(*std::move(first));
    XTREE_TRY(begin_in(*current, from));
    XTREE_TRY(replay_to(*current, current->header.carried_end));
  }
  for (const std::uint64_t number : chain_) {
    auto next = open_file(number);
    if (!next) return next.error();
    if (current) XTREE_TRY(replay_to(*current, next->header.predecessor_offset));
    XTREE_TRY(go_on_in(*next));
    current.emplace(*std::move(next));
    XTREE_TRY(replay_to(*current, current->header.carried_end));
  }
  if (current) XTREE_TRY(replay_tail(*current));
  return end_;
}

// Each header names the file that it continues, so the newest header tells the whole chain. Files
// that are not in it were made by writers that never came to use them.
Result<void> Replay::find_chain(std::uint64_t from) {
  auto files = list_log_files(file_system_, directory_);
  if (!files) return files.error();
  end_.highest_file = files->empty() ? from : std::max(from, files->back());

  std::optional<FileHeader> header;
  for (; !files->empty() && files->back() > from && !header; files->pop_back()) {
    auto reader = LogFileReader::open(file_system_, directory_, files->back());
    if (!reader) return reader.error();
    const auto found = reader->read_header();
    if (!found) return found.error();
    if (!*found) XTREE_TRY(check_creation_was_cut(*reader));
    header = *found;
  }
  while (header) {
    chain_.push_back(header->file);
    if (header->predecessor_file == from) break;
    if (header->predecessor_file < from || header->predecessor_file >= header->file) {
      const std::string path = log_file_path(directory_, header->file);
      return Error(ErrorCode::corruption, path.c_str(), "the log file does not continue the log");
    }
    const auto file = open_file(header->predecessor_file);
    if (!file) return file.error();
    header = file->header;
  }
  std::reverse(chain_.begin(), chain_.end());
  return {};
}

// A header is synced before the first commit appends to the file. One that is not whole is
// harmless only when no commit has.
Result<void> Replay::check_creation_was_cut(LogFileReader& reader) const {
  for (std::uint64_t offset = kFirstGroupOffset; offset < reader.bytes();) {
    const auto header = reader.read_group_header(offset);
    if (!header) return header.error();
    if (*header && (*header)->origin == GroupOrigin::appended) {
      return reader.corruption(0, "the header of the log file is damaged");
    }
    offset += step_over(*header, reader.bytes());
  }
  return {};
}

Result<Replay::OpenFile> Replay::open_file(std::uint64_t number) const {
  auto reader = LogFileReader::open(file_system_, directory_, number);
  if (!reader) {
    if (reader.error().code() != ErrorCode::not_found) return reader.error();
    const std::string path = log_file_path(directory_, number);
    return Error(ErrorCode::corruption, path.c_str(), "the log file is missing");
  }
  const auto found = reader->read_header();
  if (!found) return found.error();
  if (!*found) return reader->corruption(0, "the header of the log file is damaged");
  const FileHeader& header = **found;
  if (reader->bytes() < header.file_bytes) {
    return reader->corruption(reader->bytes(), "the log file was cut off");
  }
  if (header.carried_end < kFirstGroupOffset || header.carried_end > header.file_bytes) {
    return reader->corruption(0, "the header of the log file makes no sense");
  }
  return OpenFile{*std::move(reader), header};
}

Result<void> Replay::begin_in(const OpenFile& file, LogPosition from) {
  const bool at_start = from.offset == kFirstGroupOffset;
  if (file.header.generation != end_.generation || file.header.first_lsn > end_.next_lsn ||
      (at_start && file.header.first_lsn != end_.next_lsn)) {
    return file.reader.corruption(0, "this is not the log file that the checkpoint names");
  }
  if (from.offset < kFirstGroupOffset || from.offset % kBlockBytes != 0 ||
      from.offset > file.reader.bytes()) {
    return file.reader.corruption(from.offset, "no group can begin where the checkpoint says");
  }
  return {};
}

Result<void> Replay::go_on_in(const OpenFile& file) {
  const FileHeader& header = file.header;
  if (end_.end != LogPosition{header.predecessor_file, header.predecessor_offset} ||
      end_.generation != header.predecessor_generation || end_.next_lsn != header.first_lsn ||
      header.generation < end_.generation) {
    return file.reader.corruption(0, "the log does not go on where the file before ended");
  }
  end_.end = {file.reader.number(), kFirstGroupOffset};
  end_.generation = header.generation;
  group_lsn_ = 0;
  return {};
}

Result<void> Replay::replay_to(OpenFile& file, std::uint64_t limit) {
  while (end_.end.offset < limit) {
    const auto group = read_next(file);
    if (!group) return group.error();
    if (!*group) return file.reader.corruption(end_.end.offset, "a synced group is damaged");
    XTREE_TRY(visit(**group));
  }
  return {};
}

Result<void> Replay::replay_tail(OpenFile& file) {
  struct Place {
    std::uint64_t lsn;
    std::uint64_t offset;
  };
  // Until a commit has appended to the file, even its header may only be in the system's cache,
  // unless a checkpoint names the file; then the log is proven as far as the file before.
  bool header_is_proven = chain_.empty();
  std::vector<Place> places;
  std::size_t proven = 0;
  for (;;) {
    const auto group = read_next(file);
    if (!group) return group.error();
    if (!*group) break;
    header_is_proven = true;
    const std::uint64_t durable_lsn = (*group)->header.durable_lsn;
    places.push_back({end_.next_lsn, end_.end.offset});
    XTREE_TRY(visit(**group));
    while (places[proven].lsn < durable_lsn) ++proven;
  }
  if (header_is_proven) {
    prove_all();
    if (proven < places.size()) {
      end_.proven_lsn = places[proven].lsn;
      end_.proven.offset = end_.unproven_offset = places[proven].offset;
    }
  } else {
    end_.proven = {file.header.predecessor_file, file.header.predecessor_offset};
    end_.proven_lsn = file.header.first_lsn;
    end_.proven_generation = file.header.predecessor_generation;
    end_.unproven_offset = kFirstGroupOffset;
  }
  return check_end(file.reader);
}

void Replay::prove_all() noexcept {
  end_.proven = end_.end;
  end_.proven_lsn = end_.next_lsn;
  end_.proven_generation = end_.generation;
  end_.unproven_offset = end_.end.offset;
}

Result<std::optional<StoredGroup>> Replay::read_next(OpenFile& file) const {
  const std::uint64_t offset = end_.end.offset;
  auto group = file.reader.read_group(offset);
  if (!group) return group.error();
  if (!*group) return std::optional<StoredGroup>();
  const GroupHeader& header = (*group)->header;
  // A file whose creation was cut short may be recycled, with groups that it had been carrying.
  const GroupOrigin origin =
      offset < file.header.carried_end ? GroupOrigin::carried : GroupOrigin::appended;
  const bool is_bound = !platform::planted(platform::Plant::group_unbound);
  if (is_bound && (header.generation != end_.generation || header.origin != origin)) {
    return std::optional<StoredGroup>();
  }
  // Additions to the group before may be missing when it had not been synced by then.
  if (header.first_lsn > end_.next_lsn && header.durable_lsn <= group_lsn_) {
    return std::optional<StoredGroup>();
  }
  if (header.first_lsn != end_.next_lsn || header.operations == 0 ||
      header.durable_lsn > header.first_lsn) {
    return file.reader.corruption(offset, "the group's sequence numbers do not fit");
  }
  return group;
}

Result<void> Replay::visit(const StoredGroup& group) {
  const GroupHeader& header = group.header;
  XTREE_TRY(visitor_({.first_lsn = header.first_lsn,
                      .operations = header.operations,
                      .epoch = header.epoch,
                      .time_us = header.time_us},
                     group.payload));
  group_lsn_ = header.first_lsn;
  end_.end.offset += group_bytes(header.payload_bytes);
  end_.next_lsn += header.operations;
  ++end_.groups;
  AdditionReader additions(group);
  while (additions.next()) {
    XTREE_TRY(visitor_(additions.info(), additions.payload()));
    end_.next_lsn += additions.info().operations;
    ++end_.groups;
  }
  return {};
}

Result<void> Replay::check_end(LogFileReader& reader) const {
  std::uint64_t offset = end_.end.offset;
  while (offset < reader.bytes()) {
    const auto header = reader.read_group_header(offset);
    if (!header) return header.error();
    // The header alone is proof, whatever became of its payload: its writer had synced this far.
    if (*header && (*header)->generation == end_.generation &&
        (*header)->durable_lsn > end_.next_lsn) {
      return reader.corruption(end_.end.offset, "a synced group is damaged");
    }
    offset += step_over(*header, reader.bytes());
  }
  return {};
}

}  // namespace

Result<LogEnd> replay_log(FileSystem& file_system, std::string_view directory, LogPosition from,
                          std::uint64_t generation, std::uint64_t first_lsn,
                          const GroupVisitor& visitor) {
  return Replay(file_system, directory, visitor).run(from, generation, first_lsn);
}

}  // namespace xtree::wal
