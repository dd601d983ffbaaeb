#include "wal/survey.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "platform/check.h"
#include "wal/log_file.h"

namespace xtree::wal {
namespace {

class Survey {
 public:
  Survey(FileSystem& file_system, std::string_view directory, LogPosition from,
         std::uint64_t generation, std::uint64_t first_lsn, const GroupVisitor& visitor)
      : file_system_(file_system),
        directory_(directory),
        from_(from),
        generation_(generation),
        next_lsn_(first_lsn),
        place_(from),
        visitor_(visitor) {}

  Result<LogSurvey> run();
  Result<LogStart> find_start();

 private:
  // A group that is whole, without its payload.
  struct Group {
    LogPosition place;
    GroupHeader header;
  };

  Result<void> read_files();
  Result<void> read_file(std::uint64_t number);
  Result<void> read_groups(LogFileReader& reader);
  void drop_dead_groups();
  void find_what_is_known() noexcept;
  const Group* find_next();
  Result<void> take(const Group& group);
  Result<void> visit(const GroupInfo& info, std::span<const std::byte> payload);
  void report_gap();
  void move_to_next_file();
  void check_headers();
  void check_end();
  [[nodiscard]] const FileHeader* header_of(std::uint64_t file) const noexcept;
  [[nodiscard]] std::string path_of(std::uint64_t file) const {
    return log_file_path(directory_, file);
  }
  void fault(LogPosition at, const char* text, bool is_certain = true) {
    survey_.faults.push_back({path_of(at.file), at.offset, text, is_certain});
  }
  // For what cannot be read or is not there.
  void lack(std::string path, std::uint64_t offset, std::string text) {
    survey_.faults.push_back({std::move(path), offset, std::move(text)});
    survey_.lacks_bytes = true;
  }
  // The first bytes at a place, or zeros where there are none.
  template <class T>
  T raw(LogPosition at) const;

  FileSystem& file_system_;
  const std::string directory_;
  const LogPosition from_;
  std::uint64_t generation_;  // of the group that was taken last: later ones have no lower one
  std::uint64_t next_lsn_;
  LogPosition place_;  // where the next group should be
  const GroupVisitor visitor_;
  bool is_whole_ = true;    // so far: groups are visited
  bool has_ended_ = false;  // what comes was never synced, and is cut off
  std::uint64_t last_lsn_ = 0;
  std::uint64_t proven_lsn_ = 0;
  std::vector<std::uint64_t> files_;  // from the checkpoint's on
  std::vector<FileHeader> headers_;   // the valid ones, by file
  std::vector<Group> groups_;         // by number of the operation, later lives first
  std::size_t at_ = 0;                // of `groups_`: those before it are done with
  std::set<std::uint64_t> needed_;    // files with a group that was taken
  LogSurvey survey_;
};

Result<LogSurvey> Survey::run() {
  XTREE_TRY(read_files());
  drop_dead_groups();
  find_what_is_known();
  for (const Group* next = find_next(); next != nullptr && !has_ended_; next = find_next()) {
    if (next->header.first_lsn != next_lsn_) report_gap();
    if (!has_ended_) XTREE_TRY(take(*next));
  }
  if (!has_ended_) {
    move_to_next_file();
    if (next_lsn_ < proven_lsn_) {
      report_gap();
    } else {
      check_end();
    }
  }
  check_headers();
  return std::move(survey_);
}

Result<LogStart> Survey::find_start() {
  XTREE_TRY(read_files());
  drop_dead_groups();
  const std::uint64_t first_lsn = next_lsn_;
  if (const Group* next = find_next()) {
    return LogStart{next->place, next->header.generation, first_lsn};
  }
  if (headers_.empty()) return LogStart{{}, 0, first_lsn};
  const FileHeader& newest = headers_.back();
  LogStart start{{newest.file, kFirstGroupOffset}, newest.generation, first_lsn};
  for (const Group& group : groups_) {
    if (group.place.file != newest.file) continue;
    start.from.offset = group.place.offset + group_bytes(group.header.payload_bytes);
  }
  return start;
}

Result<void> Survey::read_files() {
  auto files = list_log_files(file_system_, directory_);
  if (!files) {
    lack(directory_, 0, files.error().message());
    return {};
  }
  for (const std::uint64_t number : *files) {
    if (number < from_.file) continue;
    files_.push_back(number);
    XTREE_TRY(read_file(number));
  }
  std::ranges::sort(groups_, [](const Group& a, const Group& b) {
    if (a.header.first_lsn != b.header.first_lsn) return a.header.first_lsn < b.header.first_lsn;
    if (a.header.generation != b.header.generation) {
      return a.header.generation > b.header.generation;
    }
    return a.place.file > b.place.file;
  });
  return {};
}

// What cannot be read counts as damaged: what is missing behind it will show.
Result<void> Survey::read_file(std::uint64_t number) {
  auto reader = LogFileReader::open(file_system_, directory_, number);
  if (!reader) {
    lack(path_of(number), 0, reader.error().message());
    return {};
  }
  const auto header = reader->read_header();
  if (!header) {
    if (header.error().code() == ErrorCode::newer_format) return header.error();
    lack(path_of(number), 0, header.error().message());
    return {};
  }
  if (*header) {
    headers_.push_back(**header);
    if (reader->bytes() < (*header)->file_bytes) {
      lack(path_of(number), reader->bytes(), "the log file was cut off");
    }
  }
  return read_groups(*reader);
}

Result<void> Survey::read_groups(LogFileReader& reader) {
  std::uint64_t offset =
      reader.number() == from_.file ? std::max(from_.offset, kFirstGroupOffset) : kFirstGroupOffset;
  while (offset < reader.bytes()) {
    const auto group = reader.read_group(offset);
    const auto header = group ? reader.read_group_header(offset) : group.error();
    if (!header) {
      lack(path_of(reader.number()), offset, header.error().message());
      return {};
    }
    std::uint64_t step = kBlockBytes;
    if (*group) {
      groups_.push_back({{reader.number(), offset}, (*group)->header});
      step = group_bytes((*group)->header.payload_bytes);
    } else if (*header && (*header)->payload_bytes <= reader.bytes()) {
      step = group_bytes((*header)->payload_bytes);
    }
    offset += step;
  }
  return {};
}

// A later life says in the header of its first file with which operation it went on. What an
// earlier one had written from there on is cut off, or was carried over.
void Survey::drop_dead_groups() {
  std::erase_if(groups_, [&](const Group& group) {
    if (group.header.generation < generation_ || group.header.operations == 0) return true;
    return std::ranges::any_of(headers_, [&](const FileHeader& header) {
      return header.generation > group.header.generation &&
             header.first_lsn <= group.header.first_lsn;
    });
  });
}

// The numbers behind the last operation of which anything whole knows, and behind the last one that
// is proven to have been synced.
void Survey::find_what_is_known() noexcept {
  for (const Group& group : groups_) {
    last_lsn_ = std::max(last_lsn_, group.header.first_lsn + group.header.operations);
    proven_lsn_ = std::max(proven_lsn_, group.header.durable_lsn);
  }
  for (const FileHeader& header : headers_) proven_lsn_ = std::max(proven_lsn_, header.first_lsn);
  last_lsn_ = std::max(last_lsn_, proven_lsn_);
}

// The group that begins with the next operation, or else the first behind it.
const Survey::Group* Survey::find_next() {
  for (; at_ < groups_.size(); ++at_) {
    const GroupHeader& header = groups_[at_].header;
    if (header.first_lsn >= next_lsn_ && header.generation >= generation_) return &groups_[at_];
  }
  return nullptr;
}

Result<void> Survey::take(const Group& group) {
  const GroupHeader& header = group.header;
  auto reader = LogFileReader::open(file_system_, directory_, group.place.file);
  if (!reader) return reader.error();
  const auto stored = reader->read_group(group.place.offset);
  if (!stored) return stored.error();
  if (!*stored) return reader->corruption(group.place.offset, "the log changed while it was read");
  needed_.insert(group.place.file);
  generation_ = header.generation;
  place_ = {group.place.file, group.place.offset + group_bytes(header.payload_bytes)};
  survey_.live_bytes += sizeof(GroupHeader);
  XTREE_TRY(visit({.first_lsn = header.first_lsn,
                   .operations = header.operations,
                   .epoch = header.epoch,
                   .time_us = header.time_us},
                  (*stored)->payload));
  AdditionReader additions(**stored);
  while (additions.next()) {
    survey_.live_bytes += sizeof(AdditionHeader);
    XTREE_TRY(visit(additions.info(), additions.payload()));
  }
  // The zeros behind the last addition say that it is the last.
  survey_.live_bytes += additions.rest().size();
  if (std::ranges::any_of(additions.rest(), [](std::byte byte) { return byte != std::byte{0}; })) {
    fault({place_.file, place_.offset - additions.rest().size()},
          "what follows a group in its block is damaged, or was cut short by a crash", false);
  }
  return {};
}

Result<void> Survey::visit(const GroupInfo& info, std::span<const std::byte> payload) {
  survey_.live_bytes += payload.size();
  next_lsn_ = info.first_lsn + info.operations;
  if (!is_whole_) return {};
  survey_.operations += info.operations;
  return visitor_(info, payload);
}

// Groups that nothing proves to have been synced may be lost in a crash in any order: behind such a
// one, nothing counts.
void Survey::report_gap() {
  move_to_next_file();
  if (is_whole_) survey_.lost_operations = last_lsn_ - next_lsn_;
  is_whole_ = false;
  has_ended_ = next_lsn_ >= proven_lsn_;
  if (has_ended_) {
    fault(place_, "a group of the log is damaged, or was cut short by a crash", false);
  } else {
    fault(place_, "a synced group of the log is damaged or missing");
  }
}

// Where a file says that it goes on from the place that was reached, the next group is in it.
void Survey::move_to_next_file() {
  for (const FileHeader& header : headers_) {
    const bool begins = place_.file == 0 && header.predecessor_file == 0;
    const bool follows = header.predecessor_file == place_.file &&
                         header.predecessor_offset == place_.offset && header.file > place_.file;
    if (begins || follows) place_ = {header.file, kFirstGroupOffset};
  }
}

const FileHeader* Survey::header_of(std::uint64_t file) const noexcept {
  const auto found = std::ranges::find(headers_, file, &FileHeader::file);
  return found == headers_.end() ? nullptr : &*found;
}

// The files that the log needs: the checkpoint's, those with a live group, and those to which the
// newest header leads.
void Survey::check_headers() {
  if (from_.file != 0) needed_.insert(from_.file);
  const FileHeader* header = headers_.empty() ? nullptr : &headers_.back();
  const std::uint64_t newest = header == nullptr ? 0 : header->file;
  while (header != nullptr && header->file > from_.file) {
    needed_.insert(header->file);
    if (header->predecessor_file >= header->file) {
      fault({header->file, 0}, "the log file does not continue the log");
      break;
    }
    if (header->predecessor_file <= from_.file) break;
    needed_.insert(header->predecessor_file);
    header = header_of(header->predecessor_file);
  }
  for (const std::uint64_t file : needed_) {
    if (header_of(file) != nullptr) {
      survey_.live_bytes += sizeof(FileHeader);
    } else if (std::ranges::binary_search(files_, file)) {
      fault({file, 0}, "the header of the log file is damaged");
    } else {
      lack(path_of(file), 0, "the log file is missing");
    }
  }
  for (const std::uint64_t file : files_) {
    if (file <= newest || needed_.contains(file)) continue;
    const auto bytes = raw<std::array<std::byte, sizeof(FileHeader)>>({file, 0});
    const auto found = raw<FileHeader>({file, 0});
    std::array<std::byte, sizeof(FileHeader)> good;
    encode(FileHeader{}, good);
    const bool has_magic = std::memcmp(good.data(), bytes.data(), sizeof(found.magic)) == 0;
    if (!decode_file_header(bytes) && (has_magic || found.file == file)) {
      fault({file, 0}, "the header of the newest log file is damaged, or was cut short by a crash",
            false);
    }
  }
}

// A group that is not whole at the very end: nobody can tell whether it had been synced.
void Survey::check_end() {
  if (place_.file == 0) return;
  const auto found = raw<GroupHeader>(place_);
  std::array<std::byte, sizeof(GroupHeader)> bytes;
  std::memcpy(bytes.data(), &found, sizeof found);
  std::array<std::byte, sizeof(GroupHeader)> good;
  encode(GroupHeader{}, good);
  const bool has_magic = std::memcmp(good.data(), bytes.data(), sizeof(found.magic)) == 0;
  const bool is_here = found.file == place_.file && found.offset == place_.offset;
  const int matches = int{has_magic} + int{found.file == place_.file} +
                      int{found.offset == place_.offset} + int{found.generation >= generation_};
  const bool is_header = decode_group_header(bytes).has_value();
  if (is_header ? is_here : has_magic + (found.file == place_.file) != 0 && matches >= 3) {
    fault(place_, "the last group of the log is damaged, or was cut short by a crash", false);
  }
}

template <class T>
T Survey::raw(LogPosition at) const {
  T value{};
  const auto file = file_system_.open(path_of(at.file), OpenMode::read);
  if (!file) return value;
  const auto count = (*file)->read_at(at.offset, std::as_writable_bytes(std::span(&value, 1)));
  return count && *count == sizeof value ? value : T{};
}

}  // namespace

Result<LogSurvey> survey_log(FileSystem& file_system, std::string_view directory, LogPosition from,
                             std::uint64_t generation, std::uint64_t first_lsn,
                             const GroupVisitor& visitor) {
  return Survey(file_system, directory, from, generation, first_lsn, visitor).run();
}

Result<LogStart> find_log_start(FileSystem& file_system, std::string_view directory,
                                std::uint64_t first_lsn) {
  return Survey(file_system, directory, {}, 0, first_lsn, {}).find_start();
}

}  // namespace xtree::wal
