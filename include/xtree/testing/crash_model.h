// CrashModel: what may be left on a disk when the power fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "xtree/config.h"
#include "xtree/testing/disk_image.h"
#include "xtree/testing/simulated_file_system.h"

namespace xtree::testing {

// What becomes of the bytes of a write that was not synced.
enum class Loss : std::uint8_t {
  kept,     // all there
  lost,     // as if it had not been made
  head,     // the first `argument` sectors are there
  tail,     // all but the first `argument` sectors are there
  mixed,    // each sector is there or not, as the bits of `argument`'s hash say
  blocks,   // the same for each 4 KiB
  rubbish,  // like `mixed`, but some sectors that were being written hold what nobody wrote
};
[[nodiscard]] XTREE_EXPORT const char* to_string(Loss loss) noexcept;

// What becomes of one change. For truncations and names, everything but `kept` means `lost`.
struct Fate {
  Loss loss = Loss::kept;
  bool size_kept = true;  // whether the growth of the file that a write brought is there
  std::uint32_t argument = 0;

  friend bool operator==(const Fate&, const Fate&) noexcept = default;
};

// A change that no sync has made durable yet.
struct Unit {
  enum class Kind : std::uint8_t { data, truncation, name };
  Kind kind = Kind::data;
  std::uint32_t node = 0;
  std::uint32_t sectors = 0;  // of a write
  bool grows = false;         // whether the write made the file longer
  std::uint32_t change = 0;   // its place among the changes of the node, or of names
};

// The state of a disk, and the changes that are still on their way to it. It follows a Trace, and
// builds the state that a crash leaves when each change meets the fate that it is given.
//
// The model is that of a file system that promises no more than POSIX: a file's data and size are
// durable once the file has been synced, its name once its directory has. Until then any subset may
// be there, in any order, and data and size part company. Sectors of 512 bytes are written whole,
// not at all, or come back as rubbish. Renaming within a directory is atomic. A file's sync that
// failed has made nothing durable, nor does a later one: the system took the pages for clean. After
// one of a directory, a later one may still succeed.
//
//   CrashModel model;
//   for (const Event& event : trace.events) {
//     model.apply(event);
//     const std::vector<Unit> units = model.units();
//     std::vector<Fate> fates(units.size(), Fate{Loss::lost, false});
//     SimulatedFileSystem files(model.build(units, fates));
//     ... open the database on `files` and look at it
//   }
class XTREE_EXPORT CrashModel {
 public:
  CrashModel() = default;
  // A disk on which all of this is durable.
  explicit CrashModel(const DiskImage& image);

  void apply(const Event& event);

  // What is not durable now, files by number and then names, each in the order of the calls.
  [[nodiscard]] std::vector<Unit> units() const;
  // `units` as they are now, and a fate for each.
  [[nodiscard]] DiskImage build(std::span<const Unit> units, std::span<const Fate> fates) const;
  // No file or directory has this number or a higher one.
  [[nodiscard]] std::uint32_t next_node() const noexcept {
    return static_cast<std::uint32_t>(files_.size());
  }

 private:
  enum class Progress : std::uint8_t {
    pending,
    doomed,   // a sync of it failed; no later one helps
    durable,  // but something before it is not
  };
  struct Change {
    bool truncates = false;
    bool grows = false;
    Progress progress = Progress::pending;
    WrittenBytes bytes;
    std::uint64_t size = 0;
  };
  struct NameChange {
    EventKind kind = EventKind::make_file;
    bool is_durable = false;  // but something before it is not
    std::uint32_t node = 0;
    std::shared_ptr<const std::string> path;
    std::shared_ptr<const std::string> from;
  };
  struct FileState {
    NodeRef base;             // durable
    std::uint64_t size = 0;   // as a process sees it
    std::vector<Change> changes;
  };

  FileState& file(std::uint32_t number);
  void change_file(const Event& event);
  void change_name(const Event& event);
  void sync_file(const Event& event);
  void sync_names(const std::string& directory);
  static void apply_data(Node& node, std::uint64_t& size, const Change& change, const Fate& fate);
  void apply_name(DiskImage& names, const NameChange& change) const;
  [[nodiscard]] std::vector<std::uint32_t> named_files() const;
  [[nodiscard]] NodeRef build_file(std::uint32_t number, std::span<const Unit> units,
                                   std::span<const Fate> fates) const;

  std::vector<FileState> files_;  // by number
  DiskImage names_;               // durable; the nodes of its entries are not looked at
  std::vector<NameChange> name_changes_;
};

}  // namespace xtree::testing
