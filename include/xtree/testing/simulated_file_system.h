// SimulatedFileSystem: files in memory that remember what was done to them, and fail on demand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "xtree/config.h"
#include "xtree/platform.h"
#include "xtree/testing/disk_image.h"

namespace xtree::testing {

enum class EventKind : std::uint8_t {
  write,
  truncate,
  sync,
  failed_sync,
  sync_piece,
  failed_sync_piece,
  make_file,
  make_directory,
  remove,
  rename,
  sync_directory,
};

// One call that changed something, or that promised that changes will last.
struct Event {
  EventKind kind = EventKind::write;
  std::uint32_t node = 0;                         // the file, or what was made or renamed
  std::shared_ptr<const std::string> path = {};   // of what was made or removed; a rename's target
  std::shared_ptr<const std::string> from = {};   // a rename's source
  WrittenBytes bytes = {};                        // of a write
  std::uint64_t size = 0;                         // of a truncation, or of a piece
  std::uint64_t offset = 0;                       // of a piece
};

// What was done to a disk, in order.
struct Trace {
  std::vector<Event> events;
  std::uint32_t next_node = 0;  // the number of the next file or directory that is made
};

enum class Call : std::uint8_t {
  open,
  read,
  write,
  sync,
  truncate,
  size,
  lock,
  exists,
  list,
  make_directory,
  remove,
  rename,
  sync_directory,
};
inline constexpr std::size_t kCallKinds = 13;
[[nodiscard]] XTREE_EXPORT const char* to_string(Call kind) noexcept;

enum class Failure : std::uint8_t { once, from_then_on };

// A file system of its own, in memory, with the seam's whole contract. Code that runs on it can be
// crashed at every call (CrashModel) and have every call fail.
//
//   Trace trace;
//   SimulatedFileSystem files;
//   files.record(&trace);
//   Options options;
//   options.file_system = &files;
//   auto db = Database::open("db", options);      // and then use it
//
// Any thread may call anything. It outlives the files that it opened.
class XTREE_EXPORT SimulatedFileSystem : public FileSystem {
 public:
  SimulatedFileSystem() = default;
  // Continues with an image; the numbers of new files begin at `next_node`.
  explicit SimulatedFileSystem(const DiskImage& image, std::uint32_t next_node = 0);
  ~SimulatedFileSystem() override;

  // Appends what happens from now on to `trace`, which counts new files from where it stands.
  void record(Trace* trace);
  // How many events the trace has by now, which a thread of the database may be adding to; 0 while
  // nothing is recorded.
  [[nodiscard]] std::size_t recorded() const;
  // All as a process sees it now.
  [[nodiscard]] DiskImage image() const;

  // Fails the `nth` call of this kind from now on; 1 is the next one. A write that fails has
  // written the first half of its bytes, as one on a full disk may; what a failed sync was to make
  // durable stays visible, and no later sync makes it durable.
  void fail(Call kind, std::uint64_t nth, const Error& error, Failure failure = Failure::once);
  // Plans no failure any more.
  void heal();
  // Every call fails from now on, for good: what is using it can only be taken down.
  void cut_power();
  // The same once so many more calls have been made that change something or promise that changes
  // will last.
  void cut_after(std::uint64_t events);
  [[nodiscard]] bool has_power() const;
  // Whether all writing is refused, as by a file system that is mounted for reading.
  void refuse_writing(bool refuse);
  [[nodiscard]] std::uint64_t count(Call kind) const;

  // File objects that are alive, and the locks that they hold.
  [[nodiscard]] std::size_t open_files() const;
  [[nodiscard]] std::size_t held_locks() const;

  Result<std::unique_ptr<File>> open(std::string_view path, OpenMode mode) override;
  Result<bool> exists(std::string_view path) override;
  Result<std::vector<std::string>> list(std::string_view directory) override;
  Result<void> make_directory(std::string_view path) override;
  // Removes files only.
  Result<void> remove(std::string_view path) override;
  // Within one directory.
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> sync_directory(std::string_view path) override;

 private:
  friend class SimulatedFile;
  // A file that somebody has opened: of its own contents once it was written to.
  struct OpenNode;
  struct Entry {
    std::shared_ptr<const std::string> path;
    NodeRef node;
    std::uint32_t number = 0;
    std::shared_ptr<OpenNode> opened;
  };
  struct Plan {
    std::uint64_t calls = 0;
    std::uint64_t failing_call = 0;  // 0 means none
    Failure failure = Failure::once;
    std::optional<Error> error;
  };

  Result<void> arrive_locked(Call kind, bool changes = false);
  Entry* find_locked(std::string_view path) noexcept;
  [[nodiscard]] bool is_directory_locked(std::string_view path) noexcept;
  Entry& put_locked(Entry entry);
  Result<void> require_parent_locked(std::string_view path);
  Result<void> require_writable_locked(std::string_view path) const;
  // The trace's new event; null when nothing is recorded.
  Event* record_locked(EventKind kind, std::uint32_t node);

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;  // sorted by path
  std::array<Plan, kCallKinds> plans_;
  Trace* trace_ = nullptr;
  std::uint32_t next_node_ = 0;
  std::uint64_t events_left_ = std::numeric_limits<std::uint64_t>::max();
  bool has_power_ = true;
  bool refuses_writing_ = false;
  std::size_t open_files_ = 0;
  std::size_t held_locks_ = 0;
};

}  // namespace xtree::testing
